"""Digit scenes: determinism, disjoint writers per split, digit sizes and tight boxes."""

import pickle

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_digits

from nas.data.detection_set import DetectionSet
from nas.data.digits.glyphs import INK, bounds, load_glyphs
from nas.data.digits.scenes import DigitsConfig, digits
from nas.data.open import open_data

SMALL = DigitsConfig(train_images=24, val_images=12)


def pixels(data: DetectionSet) -> np.ndarray:
    return np.stack([data.load(position) for position in range(len(data))])


def same(first: DetectionSet, second: DetectionSet) -> bool:
    return np.array_equal(pixels(first), pixels(second)) and first.ground_truth == second.ground_truth


@pytest.fixture(scope="module")
def splits() -> tuple[DetectionSet, DetectionSet]:
    return digits(DigitsConfig())


@pytest.mark.parametrize("clutter", [0.0, 0.7])
def test_same_seed_gives_the_same_scenes(clutter: float) -> None:
    config = SMALL.model_copy(update={"clutter": clutter})
    first, again, other = digits(config), digits(config), digits(config.model_copy(update={"seed": 1}))
    for split in range(2):
        assert same(first[split], again[split])
        assert not same(first[split], other[split])


def test_scene_does_not_depend_on_the_number_of_scenes() -> None:
    longer = digits(SMALL.model_copy(update={"train_images": 30}))[0]
    assert np.array_equal(pixels(longer)[:24], pixels(digits(SMALL)[0]))


def test_splits_share_no_writer() -> None:
    """Most writers begin with 0..9 twice, which marks the start of each writer in the data set."""
    target = load_digits().target
    count = np.arange(20) % 10
    starts = [i for i in range(len(target) - 20) if (target[i : i + 20] == count).all()]
    train, val = load_glyphs("train"), load_glyphs("val")
    assert np.array_equal(train.labels, target[: len(train.labels)])
    assert np.array_equal(val.labels, target[-len(val.labels) :])
    last, first = len(train.labels), len(target) - len(val.labels)
    assert any(last <= start <= first for start in starts)
    assert first - last > 140


def test_sets_follow_the_config(splits: tuple[DetectionSet, DetectionSet]) -> None:
    train, val = splits
    assert (len(train), len(val)) == (512, 128)
    assert train.categories == val.categories
    assert [c.id for c in train.categories] == list(range(1, 11))
    for data in splits:
        assert np.unique(np.concatenate(data.labels)).tolist() == list(range(10))
        assert data.sizes == ((96, 96),) * len(data)
        assert data.load(0).shape == (96, 96, 3)
        assert data.load(0).dtype == np.uint8


def test_ten_scenes_hold_all_categories() -> None:
    data, _ = digits(DigitsConfig(train_images=10, val_images=1))
    assert set(np.concatenate(data.labels)) == set(range(10))


def test_scenes_mix_small_and_large_digits(splits: tuple[DetectionSet, DetectionSet]) -> None:
    for data in splits:
        sides = [(b[:, 2:] - b[:, :2]).max(1) for b in data.boxes]
        assert all(s.min() >= 16 and s.max() <= 64 for s in sides)
        assert np.mean([s.max() / s.min() >= 4 for s in sides]) > 0.9
        assert all(len(s) >= 3 for s in sides)


def test_boxes_barely_overlap_and_stay_inside(splits: tuple[DetectionSet, DetectionSet]) -> None:
    for boxes in splits[0].boxes:
        assert boxes.min() >= 0
        assert boxes.max() <= 96
        low, high = np.maximum(boxes[:, None, :2], boxes[:, :2]), np.minimum(boxes[:, None, 2:], boxes[:, 2:])
        shared = (high - low).clip(0).prod(2)
        areas = shared.diagonal()
        np.fill_diagonal(shared := shared.copy(), 0)
        assert (shared <= 0.1 * np.minimum(areas[:, None], areas)).all()


@pytest.mark.parametrize("side", [16, 23, 64])
def test_glyphs_touch_all_borders_of_their_box(side: int) -> None:
    glyphs = load_glyphs("val")
    for index in range(0, len(glyphs.labels), 7):
        opacity = glyphs.draw(index, side)
        height, width = opacity.shape
        assert max(height, width) == side
        assert bounds(opacity >= INK) == (0, 0, width, height)


def test_default_digits_are_bright_on_dark(splits: tuple[DetectionSet, DetectionSet]) -> None:
    """Ink has at least .85 of full intensity, 217. The background has at most .02 + .10 + .03 = .15, 38.

    Faint ink outside a box adds less than `INK` = .1 of the remaining intensity: at most 60.
    """
    data = splits[0]
    for position in range(20):
        gray = data.load(position).mean(2)
        away = np.ones_like(gray, bool)
        for x1, y1, x2, y2 in data.boxes[position].astype(int):
            away[y1:y2, x1:x2] = False
            assert gray[y1:y2, x1:x2].max() > 210
        assert gray[away].max() < 60


def test_clutter_lowers_contrast_and_adds_colour() -> None:
    plain, busy = (pixels(digits(SMALL.model_copy(update={"clutter": c}))[0]).astype(float) for c in (0.0, 1.0))
    assert np.ptp(plain, axis=3).max() == 0
    assert np.ptp(busy, axis=3).mean() > 33  # over ten seeds: mean 37.7, standard deviation 1.4
    assert np.median(busy) > 2 * np.median(plain)  # over ten seeds: ratio 2.6, standard deviation .06


def test_load_returns_a_copy() -> None:
    data, _ = digits(SMALL)
    data.load(0)[:] = 0
    assert data.load(0).any()


def test_sets_pickle_and_open_by_name() -> None:
    train, _ = open_data("digits", SMALL)
    assert same(pickle.loads(pickle.dumps(train)), train)


@pytest.mark.parametrize("wrong", [{"min_side": 40, "max_side": 30}, {"max_side": 90}, {"clutter": 2}, {"size": 9}])
def test_invalid_config_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        DigitsConfig.model_validate(wrong)
