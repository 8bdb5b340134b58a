"""Diagnostics of boxes, areas, masks, categories and images that are probably wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nas.data.detection_set import DataError, DetectionSet
from nas.data.directory import check_directory, read_directory, read_split
from tests.sets import Change, Document, edit_annotations, write_set
from tests.support import diagnostic_counts


def _read(root: Path, change: Change | None = None, **options: Any) -> DetectionSet:
    write_set(root, change=change, **options)
    return read_directory(root)[0]


def _xyxy(a: dict[str, Any]) -> list[float]:
    x, y, w, h = a["bbox"]
    return [x, y, x + w, y + h]


def _cxcywh(a: dict[str, Any]) -> list[float]:
    x, y, w, h = a["bbox"]
    return [x + w / 2, y + h / 2, w, h]


def _halved(a: dict[str, Any]) -> list[float]:
    return [value / 2 for value in a["bbox"]]


def test_valid_set_has_no_diagnostics(tmp_path: Path) -> None:
    train, val = read_directory(write_set(tmp_path, images=20))
    assert (diagnostic_counts(train), diagnostic_counts(val)) == ({}, {})


def test_normalised_boxes_are_refused(tmp_path: Path) -> None:
    def normalised(a: dict[str, Any]) -> list[float]:
        return [value / extent for value, extent in zip(a["bbox"], (96, 80, 96, 80), strict=True)]

    with pytest.raises(DataError, match=r"within the first pixel of their image \(8\): annotation 1.*multiply by its"):
        _read(tmp_path, edit_annotations(bbox=normalised))


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        (_xyxy, "would fit as [x1, y1, x2, y2]"),
        (_cxcywh, "would fit as [centre x, centre y, width, height]"),
        (_halved, "none reaches beyond the upper left 55%"),
        (lambda a: [value * 2 for value in a["bbox"]], "not in thousandths, nor of larger copies"),
        (
            lambda a: [value / 100 for value in a["bbox"]] if a["id"] % 2 else a["bbox"],
            "parts of an image would (20)",
        ),
    ],
)
def test_boxes_in_another_format_or_scale_are_reported(
    tmp_path: Path, bbox: Callable[[dict[str, Any]], list[float]], expected: str
) -> None:
    data = _read(tmp_path, edit_annotations(bbox=bbox), images=20)
    warnings = [one.text for one in data.diagnostics if one.severity == "warning"]
    assert any(expected in warning for warning in warnings), warnings


@pytest.mark.parametrize(
    ("stated", "outline"),
    [(0, "box"), (0, "triangle"), (7, "box"), (None, "triangle"), (1e9, "triangle"), (1e-4, "box")],
)
def test_implausible_area_is_replaced_by_that_of_the_mask_or_box(
    tmp_path: Path, stated: float | None, outline: str
) -> None:
    """Areas that are missing, constant or out of proportion would put objects into wrong COCO size classes."""

    def triangle(a: dict[str, Any]) -> list[list[float]]:
        x, y, w, h = a["bbox"]
        return [[x, y, x + w, y, x, y + h]] if outline == "triangle" else []

    data = _read(tmp_path, edit_annotations(area=lambda a: stated, segmentation=triangle))
    for annotation in data.ground_truth["annotations"]:
        _, _, w, h = annotation["bbox"]
        assert annotation["area"] == (w * h / 2 if outline == "triangle" else w * h)
    assert diagnostic_counts(data) == ({} if stated is None else {"implausible areas": 8})


def _triangle(a: dict[str, Any]) -> list[list[float]]:
    x, y, w, h = a["bbox"]
    return [[x, y, x + w, y, x, y + h]]


@pytest.mark.parametrize(("share", "outline"), [(0.5, _triangle), (0.4, _triangle), (0.61, None), (0.2, None)])
def test_plausible_mask_areas_are_kept(
    tmp_path: Path, share: float, outline: Callable[[dict[str, Any]], object] | None
) -> None:
    """COCO's areas are mask areas, smaller than the box areas, and some files have no masks."""
    change = edit_annotations(area=lambda a: a["area"] * share, segmentation=outline or (lambda a: []))
    data = _read(tmp_path, change)
    _, _, w, h = data.ground_truth["annotations"][0]["bbox"]
    assert data.ground_truth["annotations"][0]["area"] == w * h * share
    assert diagnostic_counts(data) == {}


@pytest.mark.parametrize(
    "stated",
    [
        lambda a: -1,
        lambda a: a["area"] / 4,
        lambda a: a["area"] / 160**2 * 100,
        lambda a: a["bbox"][2] + a["bbox"][3],
        lambda a: a["area"] if a["id"] == 1 else 1,
    ],
    ids=["negative", "of half the size", "per cent", "sums", "nearly all 1"],
)
def test_areas_that_contradict_the_masks_are_replaced(
    tmp_path: Path, stated: Callable[[dict[str, Any]], float]
) -> None:
    data = _read(tmp_path, edit_annotations(area=stated), size=(160, 160))
    for annotation in data.ground_truth["annotations"]:
        assert annotation["area"] == annotation["bbox"][2] * annotation["bbox"][3]
    assert diagnostic_counts(data)["implausible areas"] >= 7


@pytest.mark.parametrize(
    "mask",
    [
        lambda a: [[value / 100 for value in a["segmentation"][0]]],
        lambda a: {"size": [80, 96], "counts": [80 * 96]},
        lambda a: [[value for x, y in zip(*[iter(a["segmentation"][0])] * 2, strict=True) for value in (y, x)]],
    ],
    ids=["normalised", "empty", "y before x"],
)
def test_masks_outside_their_boxes_are_reported(tmp_path: Path, mask: Callable[[dict[str, Any]], object]) -> None:
    data = _read(tmp_path, edit_annotations(segmentation=mask), images=10)
    assert diagnostic_counts(data)["masks that do not lie in their boxes"] >= 5
    for annotation in data.ground_truth["annotations"]:
        assert annotation["area"] == annotation["bbox"][2] * annotation["bbox"][3]


@pytest.mark.parametrize(("every", "severity"), [(2, "warning"), (20, "note")])
def test_crowds_are_a_note_if_few_and_a_warning_if_many(tmp_path: Path, every: int, severity: str) -> None:
    data = _read(tmp_path, edit_annotations(iscrowd=lambda a: int(a["id"] % every == 0)), images=20)
    (crowds,) = data.diagnostics
    assert (crowds.what.split(",")[0], crowds.count, crowds.severity) == (
        "crowds (iscrowd 1)",
        40 // every,
        severity,
    )
    assert data.num_objects == 40 - 40 // every


def test_duplicates_are_reported(tmp_path: Path) -> None:
    """A repeated object, a file with two image ids, a shared category name, an image in both splits."""

    def twice(split: str, document: Document) -> None:
        first = document["annotations"][0]
        document["annotations"].append({**first, "id": 100})
        document["images"].append({**document["images"][0], "id": 100})
        document["categories"][2]["name"] = document["categories"][0]["name"]

    write_set(tmp_path, change=twice)
    val = json.loads((tmp_path / "val.json").read_text())
    val["images"][1]["file_name"] = "train_1.png"
    (tmp_path / "val.json").write_text(json.dumps(val))
    train, val_set = read_directory(tmp_path)
    assert diagnostic_counts(train) == {
        "objects annotated more than once": 1,
        "files listed under several image ids": 1,
        "category names that several ids share": 1,
    }
    assert diagnostic_counts(val_set)["validation images that are training images as well"] == 1


def test_copies_of_images_are_reported(tmp_path: Path) -> None:
    write_set(tmp_path)
    for copy, original in (("train_2.png", "train_1.png"), ("val_3.png", "train_4.png")):
        (tmp_path / "images" / copy).write_bytes((tmp_path / "images" / original).read_bytes())
    train, val = read_directory(tmp_path)
    assert [one.text for one in train.diagnostics] == [
        "images that are copies of others (1): train_2.png of train_1.png. Drop all but one of each."
    ]
    assert diagnostic_counts(val) == {"validation images that are training images as well": 1}


def test_images_with_equal_ends_are_no_copies(tmp_path: Path) -> None:
    """Bitmaps of equal length and background that differ in the position of an object."""

    def bitmaps(split: str, document: Document) -> None:
        for image in document["images"]:
            image["file_name"] = image["file_name"].replace("png", "bmp")

    write_set(tmp_path, size=(200, 200), change=bitmaps)
    for number, path in enumerate(sorted((tmp_path / "images").glob("*.png"))):
        pixels = np.full((200, 200, 3), 100, np.uint8)
        pixels[40 + number : 60 + number, 50:70] = 200
        Image.fromarray(pixels).save(path.with_suffix(".bmp"))
    train, val = read_directory(tmp_path)
    assert (diagnostic_counts(train), diagnostic_counts(val)) == ({}, {})


def test_single_image_and_elongated_images_are_reported(tmp_path: Path) -> None:
    write_set(tmp_path / "single", images=1)
    train, val = read_directory(tmp_path / "single")
    assert diagnostic_counts(train)["a single image"] == 1
    assert "a single image" not in diagnostic_counts(val)
    long = diagnostic_counts(_read(tmp_path / "long", size=(400, 48)))
    assert long == {"images more than 8 times as long as wide": 4}


def test_boxes_with_swapped_axes_are_reported(tmp_path: Path) -> None:
    def swapped(a: dict[str, Any]) -> list[float]:
        x, y, w, h = a["bbox"]
        return [y, x, h, w]

    data = _read(tmp_path, edit_annotations(bbox=swapped), images=20, size=(160, 64))
    assert "boxes beyond their image, where all would fit as [y, x, height, width]" in str(data.diagnostics)


def test_roboflow_export_is_read_unchanged(tmp_path: Path) -> None:
    """Annotations in the image folder of each split, and a supercategory 0 without objects."""

    def grouped(split: str, document: Document) -> None:
        document["categories"].insert(0, {"id": 0, "name": "colours", "supercategory": "none"})

    write_set(tmp_path, change=grouped)
    for split, folder in (("train", "train"), ("val", "valid")):
        (tmp_path / folder).mkdir()
        (tmp_path / f"{split}.json").rename(tmp_path / folder / "_annotations.coco.json")
        for image in (tmp_path / "images").glob(f"{split}_*"):
            image.rename(tmp_path / folder / image.name)
    train, val = read_directory(tmp_path)
    assert (len(train), len(val)) == (4, 4)
    assert diagnostic_counts(train) == {"categories without an annotation": 1}
    assert np.concatenate(train.labels).min() >= 1


def test_check_reports_all_diagnostics_of_both_splits(tmp_path: Path) -> None:
    """An error in one split hides neither errors of the other split nor warnings."""

    def spoilt(split: str, document: Document) -> None:
        document["images"][0]["file_name"] = "gone.png"
        for annotation in document["annotations"]:
            annotation["area"] = 0

    write_set(tmp_path, change=spoilt)
    (tmp_path / "train.json").write_text("{")
    train, val = check_directory(tmp_path)
    assert (train.data, val.data) == (None, None)
    assert [one.severity for one in train.found] == ["error"]
    assert "is not JSON" in train.found[0].text
    assert [(one.severity, one.count) for one in val.found] == [("error", 1), ("warning", 8)]


def test_check_decodes_every_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path, images=40)
    monkeypatch.setattr("nas.data.checks.images.OPENED_UP_TO", 1)
    (tmp_path / "images" / "train_8.png").write_bytes(b"not an image")
    assert read_directory(tmp_path)[0].num_objects == 80
    opened: list[tuple[int, int]] = []
    train, _ = check_directory(tmp_path, lambda done, total: opened.append((done, total)))
    assert opened[-1] == (40, 40)
    assert ["train_8.png (id 8)" in one.text for one in train.found] == [True]


def test_read_split_reads_one_split(tmp_path: Path) -> None:
    root = write_set(tmp_path)
    assert read_split(root / "val.json", root / "images").num_objects == 8
