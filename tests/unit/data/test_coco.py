"""Data sets in COCO format: what is read, what is skipped, and which error refuses the rest."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas.data.checks import images as image_checks
from nas.data.detection_set import Category, DataError, DetectionSet
from nas.data.digits.scenes import DigitsConfig
from nas.data.directory import read_directory, read_split
from nas.data.open import open_data
from tests.support import diagnostic_counts

Document = dict[str, Any]


def box(key: int, image: int, xywh: list[float], **more: object) -> Document:
    return {"id": key, "image_id": image, "category_id": 7, "bbox": xywh, **more}


@pytest.fixture
def document() -> Document:
    """Two images of 40x30 px, the second without annotations; category ids out of order."""
    return {
        "images": [
            {"id": 12, "file_name": "a.png", "width": 40, "height": 30},
            {"id": 11, "file_name": "b.jpg", "width": 40, "height": 30},
        ],
        "annotations": [box(1, 12, [10, 5, 20, 10])],
        "categories": [{"id": 7, "name": "fish"}, {"id": 3, "name": "crab"}],
    }


@pytest.fixture
def read(tmp_path: Path, document: Document) -> Callable[[], DetectionSet]:
    """A function that writes and reads the document; its images exist."""
    (tmp_path / "images").mkdir()
    for image in document["images"]:
        Image.new("RGB", (40, 30), (200, 100, 50)).save(tmp_path / "images" / image["file_name"])

    def reader() -> DetectionSet:
        (tmp_path / "train.json").write_text(json.dumps(document))
        return read_split(tmp_path / "train.json", tmp_path / "images")

    return reader


def test_split_is_read(read: Callable[[], DetectionSet]) -> None:
    data = read()
    assert data.categories == (Category(3, "crab"), Category(7, "fish"))
    assert data.image_ids == (12, 11)
    assert data.sizes == ((30, 40), (30, 40))
    assert [b.tolist() for b in data.boxes] == [[[10, 5, 30, 15]], []]
    assert [label.tolist() for label in data.labels] == [[1], []]
    assert data.boxes[1].shape == (0, 4)
    assert (data.boxes[1].dtype, data.labels[1].dtype) == (np.float32, np.int64)
    assert data.load(0).shape == (30, 40, 3)
    assert data.load(0)[0, 0].tolist() == [200, 100, 50]
    assert diagnostic_counts(data) == {"categories without an annotation": 1}


def test_missing_optional_fields_are_filled_in(document: Document, read: Callable[[], DetectionSet]) -> None:
    document["annotations"] = [box(0, 12, [1, 2, 3, 4]), box(5, 12, [1, 2, 3, 5], area=9.5)]
    document["annotations"].append({"image_id": 12, "category_id": 3, "bbox": [0, 0, 2, 2]})
    truth = read().ground_truth["annotations"]
    # pycocotools takes the annotation id 0 for "no match"
    assert [a["id"] for a in truth] == [6, 5, 7]
    assert [a["area"] for a in truth] == [12, 9.5, 4]
    assert [a["iscrowd"] for a in truth] == [0, 0, 0]


def test_unusable_boxes_are_skipped_and_counted(document: Document, read: Callable[[], DetectionSet]) -> None:
    empty = ([1, 1, 0, 5], [1, 1, 5, -2], [1, 1, float("nan"), 2], [float("inf"), 1, 2, 2], [1e300, 1, 2, 2])
    outside = ([40, 0, 5, 5], [-9, 0, 9, 5], [39.9999999, 1, 5, 5])
    boxes = [*empty, *outside, [-5, 20, 10, 20], [0, 0, 40, 30]]
    document["annotations"] = [box(key, 12, xywh) for key, xywh in enumerate(boxes, start=1)]
    data = read()
    assert diagnostic_counts(data) == {
        "boxes without a finite": 5,
        "boxes outside their image": 3,
        "boxes beyond their image": 3,
        "boxes partly outside their image": 1,
        "categories without an annotation": 1,
    }
    assert data.boxes[0].tolist() == [[0, 20, 5, 30], [0, 0, 40, 30]]
    assert [a["bbox"] for a in data.ground_truth["annotations"]] == boxes[-2:]


def test_crowds_are_ground_truth_but_not_targets(document: Document, read: Callable[[], DetectionSet]) -> None:
    document["annotations"].append(box(2, 12, [0, 0, 50, 30], iscrowd=1))
    data = read()
    assert data.num_objects == 1
    assert [a["iscrowd"] for a in data.ground_truth["annotations"]] == [0, 1]
    assert diagnostic_counts(data)["crowds"] == 1


def test_set_pickles_and_gives_a_subset(document: Document, read: Callable[[], DetectionSet]) -> None:
    document["annotations"].append(box(2, 11, [0, 0, 4, 4]))
    data = pickle.loads(pickle.dumps(read()))
    first = data.subset(1)
    assert (len(data), len(first), first.num_objects) == (2, 1, 1)
    assert [i["id"] for i in first.ground_truth["images"]] == [12]
    assert [a["id"] for a in first.ground_truth["annotations"]] == [1]
    assert first.load(0).shape == (30, 40, 3)
    assert data.subset(9) is data
    with pytest.raises(ValueError, match="at least one image, not 0"):
        data.subset(0)


INVALID_DOCUMENTS: dict[str, tuple[Callable[[Document], object], str]] = {
    "no list": (lambda d: d.pop("annotations"), "not a COCO detection file: it has no list 'annotations'"),
    "not objects": (lambda d: d["images"].append(3), r"ill-typed images \(1\): index 2 is not an object"),
    "text id": (lambda d: d["images"][0].update(id="12"), "'id' is '12', must be a whole number"),
    "no width": (lambda d: d["images"][0].pop("width"), "id 12: 'width' is missing"),
    "no height": (lambda d: d["images"][0].update(height=0), "'height' is 0, must be a positive"),
    "short box": (lambda d: d["annotations"][0].update(bbox=[1, 2]), r"id 1: 'bbox' is \[1, 2\], must be \[x, y"),
    "text box": (lambda d: d["annotations"][0].update(bbox=list("1234")), "'bbox' is"),
    "huge box": (lambda d: d["annotations"][0].update(bbox=[1, 2, 3, 10**400]), "'bbox' is"),
    "bad area": (lambda d: d["annotations"][0].update(area="1"), "'area' is '1', must be a finite number"),
    "bad crowd": (lambda d: d["annotations"][0].update(iscrowd=2), "'iscrowd' is 2, must be 0 or 1"),
    "no name": (lambda d: d["categories"][0].pop("name"), "ill-typed categories .* id 7: 'name' is missing"),
    "same image": (lambda d: d["images"].append(d["images"][0]), r"repeated ids in images \(1\): id 12 \(2 times\)"),
    "same category": (lambda d: d["categories"].append(d["categories"][0]), "repeated ids in categories"),
    "same box": (lambda d: d["annotations"].append(d["annotations"][0]), r"repeated ids in annotations \(1\): id 1"),
    "stray box": (lambda d: d["annotations"][0].update(image_id=9), r"annotation id 1 \(image_id 9\). Fix: add the im"),
    "stray class": (lambda d: d["annotations"][0].update(category_id=9), r"annotation id 1 \(category_id 9\)"),
    "absolute": (lambda d: d["images"][0].update(file_name="/etc/a.png"), r"leave the image directory .* \(id 12\)"),
    "upwards": (lambda d: d["images"][0].update(file_name="x/../../a.png"), "leave the image directory"),
    "backwards": (lambda d: d["images"][0].update(file_name="..\\a.png"), "leave the image directory"),
    "missing": (
        lambda d: d["images"][0].update(file_name="no.png"),
        r"missing images, .*images \(1\): no.png \(id 12",
    ),
    "resized": (lambda d: d["images"][0].update(width=30, height=40), r"a.png \(id 12\) is 40x30, stated as 30x40"),
    "all negative": (lambda d: d["annotations"].clear(), "without an object to train on .*0 annotations"),
    "all crowd": (
        lambda d: d["annotations"][0].update(iscrowd=1),
        "without an object .*1 annotations, 1 of them",
    ),
    "all empty": (
        lambda d: d["annotations"][0].update(bbox=[1, 1, 0, 0]),
        "without an object .*1 annotations, 0",
    ),
}


@pytest.mark.parametrize("case", INVALID_DOCUMENTS)
def test_invalid_document_is_refused(case: str, document: Document, read: Callable[[], DetectionSet]) -> None:
    spoil, message = INVALID_DOCUMENTS[case]
    spoil(document)
    with pytest.raises(DataError, match=message) as caught:
        read()
    assert "train.json" in str(caught.value)


def test_error_lists_all_problems(document: Document, read: Callable[[], DetectionSet]) -> None:
    document["images"][0]["file_name"] = "../a.png"
    document["images"] += [{"id": i, "file_name": f"{i}.jpg", "width": 4, "height": 4} for i in range(4)]
    with pytest.raises(
        DataError, match=r"missing images, .* \(4\): 0.jpg \(id 0\), 1.jpg \(id 1\), 2.jpg \(id 2\), \.\.\. "
    ) as e:
        read()
    assert "leave the image directory (1)" in str(e.value)


@pytest.mark.parametrize(("text", "message"), [("{", "not JSON"), ("[]", "not a COCO"), ("\xff", "not JSON")])
def test_file_without_a_coco_document_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "val.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=f"val.json is {message}"):
        read_directory(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "b.jpg"])
@pytest.mark.parametrize("length", [0, 8, 150, -200])
def test_broken_image_is_refused(tmp_path: Path, read: Callable[[], DetectionSet], name: str, length: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    file = tmp_path / "images" / name
    Image.fromarray(noise).save(file)
    read()
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(DataError, match=rf"broken images \(1\): {name}"):
        read()


def test_trailing_bytes_of_an_image_are_ignored(tmp_path: Path, read: Callable[[], DetectionSet]) -> None:
    with (tmp_path / "images" / "b.jpg").open("ab") as file:
        file.write(b"junk")
    assert len(read()) == 2


def test_images_of_large_sets_are_not_decoded_on_reading(
    tmp_path: Path, read: Callable[[], DetectionSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_checks, "OPENED_UP_TO", 1)
    (tmp_path / "images" / "b.jpg").write_bytes(b"not an image")
    data = read()
    with pytest.raises(DataError, match=r"b\.jpg does not decode"):
        data.load(1)
    (tmp_path / "images" / "b.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"b\.jpg \(id 11\) is empty"):
        read()


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA", "LA", "1"])
def test_every_image_mode_is_converted_to_rgb(tmp_path: Path, read: Callable[[], DetectionSet], mode: str) -> None:
    Image.new("RGB", (40, 30), "white").convert(mode).save(tmp_path / "images" / "a.png", format="TIFF")
    pixels = read().load(0)
    assert pixels.shape == (30, 40, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == 255).all()


def test_16_bit_image_is_scaled_to_8_bits(tmp_path: Path, read: Callable[[], DetectionSet]) -> None:
    Image.fromarray(np.full((30, 40), 0x8000, np.uint16)).save(tmp_path / "images" / "a.png")
    assert (read().load(0) == 128).all()


def test_exif_rotation_is_ignored(tmp_path: Path, read: Callable[[], DetectionSet]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "images" / "b.jpg", exif=exif)
    assert read().load(1).shape == (30, 40, 3)


def test_coco_layout_with_subdirectories_is_read(tmp_path: Path, document: Document) -> None:
    document["images"] = [{"id": 12, "file_name": "x/a.png", "width": 40, "height": 30}]
    (tmp_path / "annotations").mkdir()
    for split in ("train", "val"):
        (tmp_path / f"{split}2017" / "x").mkdir(parents=True)
        Image.new("RGB", (40, 30)).save(tmp_path / f"{split}2017" / "x" / "a.png")
        (tmp_path / "annotations" / f"instances_{split}2017.json").write_text(json.dumps(document))
    train, val = read_directory(tmp_path)
    assert (train.name, val.name) == (f"{tmp_path.name}/train", f"{tmp_path.name}/val")
    assert train.load(0).shape == (30, 40, 3)


def test_splits_with_different_categories_are_refused(
    tmp_path: Path, document: Document, read: Callable[[], DetectionSet]
) -> None:
    read()
    document["categories"][1]["name"] = "lobster"
    (tmp_path / "val.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"categories in which .* differ \(2\): .*'lobster' \(id 3\)"):
        read_directory(tmp_path)


def test_missing_files_and_directories_are_named(tmp_path: Path, read: Callable[[], DetectionSet]) -> None:
    with pytest.raises(DataError, match=r"holds no annotations that are known: put train\.json and val\.json or"):
        read_directory(tmp_path / "images")
    read()
    with pytest.raises(DataError, match=r"val\.json does not exist"):
        read_directory(tmp_path)
    with pytest.raises(DataError, match="nowhere is not a directory"):
        read_split(tmp_path / "train.json", tmp_path / "nowhere")
    with pytest.raises(DataError, match="neither 'digits' nor a directory"):
        open_data(str(tmp_path / "nowhere"), DigitsConfig())
