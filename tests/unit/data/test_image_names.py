"""Image names in the annotations that differ from the file names."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data.detection_set import DataError, DetectionSet
from nas.data.directory import read_directory
from tests.sets import Document, write_set
from tests.support import diagnostic_counts


def _read(root: Path, change: Callable[[str, Document], None]) -> DetectionSet:
    write_set(root, change=change)
    return read_directory(root)[0]


@pytest.mark.parametrize("name", ["images\\{}", "images/{}", ".\\{}", "./images/{}", "../images/{}"])
def test_relative_names_are_resolved_below_the_image_directory(tmp_path: Path, name: str) -> None:
    """Label Studio on Windows writes backslashes; other tools write names relative to the data set."""

    def renamed(split: str, document: Document) -> None:
        for image in document["images"]:
            image["file_name"] = name.format(image["file_name"])

    data = _read(tmp_path, renamed)
    assert diagnostic_counts(data) == {"file names that are read as paths below the image directory": 4}
    assert np.array_equal(data.load(1), np.asarray(Image.open(tmp_path / "images" / "train_2.png")))


def test_absolute_names_in_the_image_directory_are_resolved(tmp_path: Path) -> None:
    def absolute(split: str, document: Document) -> None:
        for image in document["images"]:
            image["file_name"] = f"{tmp_path}/images/{image['file_name']}"

    assert diagnostic_counts(_read(tmp_path, absolute)) == {
        "file names that are read as paths below the image directory": 4
    }


SPELLINGS: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "quoted": lambda name: name.replace("_", "%5F"),
    "trailing space": lambda name: f"{name} ",
    "no suffix": lambda name: name.removesuffix(".png"),
    "another suffix": lambda name: name.replace(".png", ".jpg"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_error_names_the_file_of_a_misspelt_name(tmp_path: Path, spelling: str) -> None:
    def misspelt(split: str, document: Document) -> None:
        for image in document["images"]:
            image["file_name"] = SPELLINGS[spelling](image["file_name"])

    with pytest.raises(DataError, match=r"\(id 1; there is val_1\.png\).*state the names as the files have them"):
        _read(tmp_path, misspelt)


def test_error_on_foreign_absolute_names_names_the_directory_of_the_files(tmp_path: Path) -> None:
    def foreign(split: str, document: Document) -> None:
        for image in document["images"]:
            image["file_name"] = f"/elsewhere/images/{image['file_name']}"

    with pytest.raises(DataError, match=rf"leave the image directory.*4 of these names lie in {tmp_path}/images"):
        _read(tmp_path, foreign)


def test_error_names_the_directory_that_holds_the_images(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "images").rename(tmp_path / "pictures")
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match=rf"looked for in {tmp_path}/images.*4 of these names lie in {tmp_path}/pic"):
        read_directory(tmp_path)


def test_error_names_a_file_that_differs_in_case(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "images" / "val_1.png").rename(tmp_path / "images" / "VAL_1.PNG")
    with pytest.raises(DataError, match=r"val_1\.png \(id 1; there is VAL_1\.PNG\)"):
        read_directory(tmp_path)
