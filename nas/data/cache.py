"""Letterboxed copies of a set's images, in one array: decoded once, ready to be shared between processes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from nas.data.detection_set import DataError, DetectionSet, FloatArray, UInt8Array

PADDING = 114
"""Gray level around letterboxed images."""


@dataclass(frozen=True, eq=False)
class ImageCache:
    """Letterboxed images, by position in their set."""

    images: UInt8Array
    """(N, 3, S, S), RGB."""
    scales: FloatArray
    """(N,) letterboxed px per stored px: box_cached = box_stored * scale."""


def cache_bytes(images: int, size: int) -> int:
    """Memory of a cache of that many images of `size` x `size` px."""
    return images * 3 * size * size


def require_memory(images: int, size: int, *, limit: int) -> None:
    """Refuse a cache that would not fit.

    Raises:
        DataError: it would take more than `limit` bytes; the message says how many.
    """
    if (needed := cache_bytes(images, size)) > limit:
        raise DataError(
            f"caching {images} images at {size} px needs {needed / 2**30:.2f} GiB of the {limit / 2**30:.2f} GiB "
            "allowed; cache at a smaller size, use fewer images, or load images as they are needed"
        )


def letterbox(data: DetectionSet, size: int, *, progress: Callable[[int, int], None] | None = None) -> ImageCache:
    """Decode and letterbox all images, in threads: Pillow lets go of the interpreter lock.

    `progress` is called with (images done, images in all), in the calling thread.

    Raises:
        DataError: an image does not decode.
    """
    images = np.empty((len(data), 3, size, size), np.uint8)
    scales = np.empty(len(data), np.float32)

    def fill(position: int) -> None:
        images[position], scales[position] = letterbox_image(data.load(position), size)

    with ThreadPoolExecutor() as pool:
        for done, _ in enumerate(pool.map(fill, range(len(data))), start=1):
            if progress is not None:
                progress(done, len(data))
    return ImageCache(images, scales)


def letterbox_image(image: UInt8Array, size: int) -> tuple[UInt8Array, float]:
    """Fit (H, W, 3) into (3, `size`, `size`), aspect kept, top-left aligned, padded; and tell the scale.

    The scale holds exactly on both axes: of the shorter side, what does not fill a whole pixel is cut off rather
    than squeezed in. An image whose longer side is `size` is not resampled.
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
