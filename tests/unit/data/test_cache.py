"""Letterboxed images: geometry, padding and the memory limit of the cache."""

from dataclasses import replace

import numpy as np
import pytest

from nas.data.cache import PADDING, ImageCache, ImageFiles, cache_bytes, letterbox, letterbox_image, open_images
from nas.data.detection_set import DataError, DetectionSet, UInt8Array
from nas.data.digits.scenes import DigitsConfig, digits
from nas.data.directory import read_split
from tests.support import shared_data


@pytest.fixture(scope="module")
def scenes() -> DetectionSet:
    return digits(DigitsConfig(train_images=6, val_images=1))[0]


@pytest.mark.parametrize(
    ("shape", "size", "content"),
    [((48, 64), 32, (24, 32)), ((64, 48), 32, (32, 24)), ((10, 20), 40, (20, 40)), ((33, 64), 32, (16, 32))],
)
def test_letterbox_keeps_the_aspect_and_pads_right_and_bottom(
    shape: tuple[int, int], size: int, content: tuple[int, int]
) -> None:
    image = np.full((*shape, 3), 200, np.uint8)
    boxed, scale = letterbox_image(image, size)
    assert boxed.shape == (3, size, size)
    assert scale == size / max(shape)
    rows, columns = content
    assert (boxed[:, :rows, :columns] == 200).all()
    assert (boxed[:, rows:] == PADDING).all()
    assert (boxed[:, :, columns:] == PADDING).all()


@pytest.mark.parametrize("shape", [(32, 32), (20, 32), (32, 1)])
def test_letterbox_does_not_resample_a_fitting_image(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    boxed, scale = letterbox_image(image, 32)
    assert scale == 1
    assert np.array_equal(boxed[:, : shape[0], : shape[1]], image.transpose(2, 0, 1))


@pytest.mark.parametrize(("shape", "size"), [((97, 211), 64), ((211, 97), 128), ((50, 41), 160)])
def test_letterbox_scale_maps_boxes_to_their_pixels(shape: tuple[int, int], size: int) -> None:
    """The centre of mass of a rectangle far from the origin moves by the returned scale, on both axes."""
    image = np.zeros((*shape, 3), np.uint8)
    x1, y1, x2, y2 = shape[1] - 31, shape[0] - 27, shape[1] - 5, shape[0] - 6
    image[y1:y2, x1:x2] = 255
    boxed, scale = letterbox_image(image, size)
    mass = np.where(boxed[0] == PADDING, 0, boxed[0]).astype(float)
    rows, columns = np.mgrid[:size, :size] + 0.5
    assert (mass * columns).sum() / mass.sum() == pytest.approx((x1 + x2) / 2 * scale, abs=0.1)
    assert (mass * rows).sum() / mass.sum() == pytest.approx((y1 + y2) / 2 * scale, abs=0.1)


def test_letterbox_keeps_a_pixel_of_extreme_aspects() -> None:
    boxed, _ = letterbox_image(np.full((1, 500, 3), 9, np.uint8), 16)
    assert (boxed[:, 0] == 9).all()


def test_cache_holds_every_image_in_order(scenes: DetectionSet) -> None:
    calls: list[tuple[int, int]] = []
    cache = letterbox(scenes, 48, progress=lambda done, total: calls.append((done, total)))
    assert cache.images.shape == (6, 3, 48, 48)
    assert cache.images.nbytes == cache_bytes(6, 48)
    assert (cache.images.dtype, cache.scales.dtype) == (np.uint8, np.float32)
    assert cache.scales.tolist() == [0.5] * 6
    assert calls == [(done, 6) for done in range(1, 7)]
    for position in range(6):
        assert np.array_equal(cache.images[position], letterbox_image(scenes.load(position), 48)[0])


def test_cache_names_an_image_that_does_not_decode(scenes: DetectionSet) -> None:
    def load(position: int) -> UInt8Array:
        if position == 3:
            raise DataError("c.jpg does not decode")
        return scenes.load(position)

    with pytest.raises(DataError, match=r"image 4: c\.jpg"):
        letterbox(replace(scenes, load=load), 48)


def test_open_images_decodes_on_access_beyond_the_memory_limit(scenes: DetectionSet) -> None:
    kept = open_images(scenes, 48, limit=cache_bytes(len(scenes), 48))
    decoded = open_images(scenes, 48, limit=cache_bytes(len(scenes), 48) - 1)
    assert isinstance(kept, ImageCache)
    assert isinstance(decoded, ImageFiles)
    positions = np.array([2, 0])
    np.testing.assert_array_equal(kept.take(positions), decoded.take(positions))
    np.testing.assert_array_equal(kept.scales, decoded.scales)


def test_boxes_of_a_real_set_stay_inside_the_letterbox() -> None:
    folder = shared_data() / "data" / "aquarium"
    data = read_split(folder / "val.json", folder / "images").subset(16)
    cache = letterbox(data, 128)
    for (height, width), scale, boxes in zip(data.sizes, cache.scales, data.boxes, strict=True):
        assert scale == np.float32(128 / max(height, width))
        assert not len(boxes) or (boxes * scale).max() <= 128
