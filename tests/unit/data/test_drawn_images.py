"""Random subsets of a data set: drawn from all images, deterministic, with every category."""

from pathlib import Path

import numpy as np
import pytest

from nas.data.detection_set import DetectionSet
from nas.data.digits.scenes import DigitsConfig, digits
from nas.data.directory import read_val
from tests.sets import Document, write_set


def _drop_annotations(count: int):  # type: ignore[no-untyped-def]
    """A change that drops the annotations of the first images."""

    def change(split: str, document: Document) -> None:
        document["annotations"] = [a for a in document["annotations"] if a["image_id"] > count]

    return change


@pytest.fixture
def sorted_set(tmp_path: Path) -> DetectionSet:
    """150 images; only the last 20 have annotations."""
    return read_val(write_set(tmp_path, images=150, size=(32, 32), change=_drop_annotations(130)))


def test_draw_samples_from_the_whole_set(sorted_set: DetectionSet) -> None:
    drawn = sorted_set.draw(75)
    assert len(drawn) == 75
    assert drawn.name.endswith("/val[75 of 150]")
    assert list(drawn.image_ids) == sorted(drawn.image_ids)
    assert 3 <= sum(map(bool, map(len, drawn.labels))) <= 17
    assert {a["image_id"] for a in drawn.ground_truth["annotations"]} <= set(drawn.image_ids)


def test_draw_is_deterministic(sorted_set: DetectionSet) -> None:
    assert sorted_set.draw(30).image_ids == sorted_set.draw(30).image_ids


def test_draw_contains_every_category_if_possible(sorted_set: DetectionSet) -> None:
    for n in (3, 5, 20):
        assert np.unique(np.concatenate(sorted_set.draw(n).labels)).tolist() == [0, 1, 2]
    assert sorted_set.draw(1).num_objects >= 1


def test_draw_of_all_images_returns_the_set(sorted_set: DetectionSet) -> None:
    assert sorted_set.draw(150) is sorted_set
    with pytest.raises(ValueError, match="at least one image, not 0"):
        sorted_set.draw(0)


def test_draw_from_digits_takes_the_first_scenes() -> None:
    val = digits(DigitsConfig(train_images=1, val_images=8, image_size=64, max_side=32))[1]
    assert val.draw(3).image_ids == (1, 2, 3)
