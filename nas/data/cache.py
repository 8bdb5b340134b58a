"""Letterboxed copies of a set's images: cached in one array, which processes can share, or decoded on each use."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from PIL import Image

from nas.data.detection_set import DataError, DetectionSet, FloatArray, IntArray, UInt8Array

PADDING = 114
"""Gray level around letterboxed images."""


class Images(Protocol):
    """Letterboxed images, by position in their set."""

    @property
    def size(self) -> int:
        """Side S of the letterboxed images, px."""
        ...

    @property
    def scales(self) -> FloatArray:
        """(N,) letterboxed px per stored px: box_letterboxed = box_stored * scale."""
        ...

    def image(self, position: int) -> UInt8Array:
        """One image (3, S, S), RGB; not to be written to."""
        ...

    def take(self, positions: IntArray) -> UInt8Array:
        """(B,) positions -> (B, 3, S, S) RGB, a copy."""
        ...


@dataclass(frozen=True, eq=False)
class ImageCache:
    """Letterboxed images cached in memory."""

    images: UInt8Array
    """(N, 3, S, S), RGB."""
    scales: FloatArray

    @property
    def size(self) -> int:
        return self.images.shape[-1]

    def image(self, position: int) -> UInt8Array:
        return self.images[position]

    def take(self, positions: IntArray) -> UInt8Array:
        return self.images[positions]


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images decoded on each use, in threads: for sets that exceed memory."""

    data: DetectionSet
    size: int

    @cached_property
    def scales(self) -> FloatArray:
        return np.array([self.size / max(extent) for extent in self.data.sizes], np.float32)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor()

    def image(self, position: int) -> UInt8Array:
        return _letterboxed(self.data, position, self.size)[0]

    def take(self, positions: IntArray) -> UInt8Array:
        return np.stack(list(self._pool.map(self.image, positions.tolist())))


def open_images(
    data: DetectionSet, size: int, *, limit: int, progress: Callable[[int, int], None] | None = None
) -> Images:
    """Cache the images in memory if they take at most `limit` bytes, else decode them on each use."""
    if cache_bytes(len(data), size) <= limit:
        return letterbox(data, size, progress=progress)
    return ImageFiles(data, size)


def cache_bytes(images: int, size: int) -> int:
    """Bytes of a cache of `images` images of `size` x `size` px."""
    return images * 3 * size * size


def letterbox(data: DetectionSet, size: int, *, progress: Callable[[int, int], None] | None = None) -> ImageCache:
    """Decode and letterbox all images, in threads: Pillow releases the interpreter lock.

    `progress` is called with (images done, total images), in the calling thread.

    Raises:
        DataError: an image does not decode.
    """
    images = np.empty((len(data), 3, size, size), np.uint8)
    scales = np.empty(len(data), np.float32)

    def fill(position: int) -> None:
        images[position], scales[position] = _letterboxed(data, position, size)

    with ThreadPoolExecutor() as pool:
        for done, _ in enumerate(pool.map(fill, range(len(data))), start=1):
            if progress is not None:
                progress(done, len(data))
    return ImageCache(images, scales)


def _letterboxed(data: DetectionSet, position: int, size: int) -> tuple[UInt8Array, float]:
    try:
        return letterbox_image(data.load(position), size)
    except DataError as error:
        raise DataError(f"{data.name}, image {data.image_ids[position]}: {error}") from error


def letterbox_image(image: UInt8Array, size: int) -> tuple[UInt8Array, float]:
    """Fit (H, W, 3) into (3, `size`, `size`), aspect kept, top-left aligned, padded; returns image and scale.

    The scale is exact on both axes: the shorter side is cropped to whole letterboxed pixels, not squeezed. An image
    whose longer side is `size` is not resampled.
    """
    height, width = image.shape[:2]
    longer = max(height, width)
    rows, columns = max(1, height * size // longer), max(1, width * size // longer)
    if longer != size:
        region = (0, 0, min(width, columns * longer / size), min(height, rows * longer / size))
        image = np.asarray(Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR, box=region))
    boxed = np.full((3, size, size), PADDING, np.uint8)
    boxed[:, :rows, :columns] = image.transpose(2, 0, 1)
    return boxed, size / longer
