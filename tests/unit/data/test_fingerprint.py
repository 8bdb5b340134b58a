"""Fingerprints of data sets: what changes them, what does not, and how a difference is reported."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from nas.data.digits.scenes import DigitsConfig, digits
from nas.data.directory import read_directory
from nas.data.fingerprint import changes, fingerprint
from tests.sets import Document, write_set


def _shift_categories(document: Document) -> None:
    for annotation in document["annotations"]:
        annotation["category_id"] = annotation["category_id"] % 3 + 1


CHANGES: dict[str, tuple[Callable[[Document], object], list[str]]] = {
    "classes": (_shift_categories, ["the categories of objects"]),
    "one box": (lambda d: d["annotations"][0]["bbox"].__setitem__(0, 1), ["the boxes"]),
    "a crowd": (
        lambda d: d["annotations"][0].update(iscrowd=1),
        [
            "the categories of objects (8 before, 7 now)",
            "the boxes (8 before, 7 now)",
            "the crowds or areas",
            "the masks (8 before, 7 now)",
        ],
    ),
    "an area": (lambda d: d["annotations"][0].update(area=99), ["the crowds or areas"]),
    "a category": (lambda d: d["categories"][0].update(name="red"), ["the categories"]),
    "one object fewer": (
        lambda d: d["annotations"].pop(),
        [
            "the categories of objects (8 before, 7 now)",
            "the boxes (8 before, 7 now)",
            "the crowds or areas (8 before, 7 now)",
            "the masks (8 before, 7 now)",
        ],
    ),
    "an outline": (lambda d: d["annotations"][0]["segmentation"][0].__setitem__(0, 1), ["the masks"]),
    "annotation ids": (lambda d: [a.update(id=-a["id"]) for a in d["annotations"]], []),
    "formatting": (lambda d: d.update(info={"year": 2026}), []),
}


@pytest.mark.parametrize("case", CHANGES)
def test_changes_names_what_differs(tmp_path: Path, case: str) -> None:
    before = fingerprint(read_directory(write_set(tmp_path))[0])
    document = json.loads((tmp_path / "train.json").read_text())
    change, expected = CHANGES[case]
    change(document)
    for split in ("train", "val"):  # in both splits, whose categories have to agree
        path = tmp_path / f"{split}.json"
        other = json.loads(path.read_text())
        path.write_text(json.dumps(document if split == "train" else {**other, "categories": document["categories"]}))
    assert changes(before, fingerprint(read_directory(tmp_path)[0])) == expected


def test_moved_set_keeps_its_fingerprint(tmp_path: Path) -> None:
    before = fingerprint(read_directory(write_set(tmp_path / "here"))[0])
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    assert fingerprint(read_directory(tmp_path / "there")[0]) == before


def test_image_changed_in_place_changes_the_fingerprint(tmp_path: Path) -> None:
    """An uncompressed file, whose length does not change."""

    def bitmaps(split: str, document: Document) -> None:
        for image in document["images"]:
            image["file_name"] = image["file_name"].replace("png", "bmp")

    write_set(tmp_path, change=bitmaps)
    for path in list((tmp_path / "images").glob("*.png")):
        Image.open(path).save(path.with_suffix(".bmp"))
    before = fingerprint(read_directory(tmp_path)[0])
    path = tmp_path / "images" / "train_2.bmp"
    content = bytearray(path.read_bytes())
    content[6000] ^= 255  # far from the start, middle and end of the file
    path.write_bytes(content)
    assert changes(before, fingerprint(read_directory(tmp_path)[0])) == ["the image files"]


def test_digit_scenes_have_fingerprints() -> None:
    config = DigitsConfig(train_images=2, val_images=1, image_size=64, max_side=32)
    assert fingerprint(digits(config)[0]) == fingerprint(digits(config)[0])
    other = fingerprint(digits(config.model_copy(update={"clutter": 0.5}))[0])
    assert "the image files" in changes(fingerprint(digits(config)[0]), other)
