"""Masks as COCO writes them, polygons or run lengths, and as pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.detection_set import UInt8Array

Shape = tuple[int, int]
"""Height and width, px."""

_SHORTEST = 6
"""Numbers in a polygon of three corners."""


def is_mask(segmentation: object, shape: Shape) -> bool:
    """Whether an annotation's `segmentation` is a mask of an image of that shape, in any of COCO's three forms."""
    if isinstance(segmentation, list):
        return bool(segmentation) and all(map(_is_polygon, segmentation))
    if isinstance(segmentation, dict):
        return segmentation.get("size") == list(shape) and isinstance(segmentation.get("counts"), (list, str))
    return False


def _is_polygon(value: object) -> bool:
    if not isinstance(value, list) or len(value) < _SHORTEST or len(value) % 2:
        return False
    return set(map(type, value)) <= {int, float}


def draw(segmentation: Any, shape: Shape, scale: float, size: int) -> UInt8Array:
    """One mask as it lies in a letterboxed image.

    Args:
        segmentation: COCO's polygons in stored px, or run lengths of the stored image.
        shape: of the stored image.
        scale: letterboxed px per stored px.
        size: side of the letterboxed image, px.

    Returns:
        (`size`, `size`) of 0 and 1.
    """
    if isinstance(segmentation, list):
        scaled = [(np.asarray(polygon, np.float64) * scale).tolist() for polygon in segmentation]
        return decode(scaled, (size, size))
    stored = decode(segmentation, shape)
    drawn = np.zeros((size, size), np.uint8)
    rows, columns = (_nearest(extent, scale, size) for extent in shape)
    drawn[: len(rows), : len(columns)] = stored[np.ix_(rows, columns)]
    return drawn


def _nearest(extent: int, scale: float, size: int) -> NDArray[np.int64]:
    """The stored pixel under the centre of each letterboxed one that has any."""
    under = ((np.arange(size) + 0.5) / scale).astype(np.int64)
    return under[under < extent]


def decode(segmentation: Any, shape: Shape) -> UInt8Array:
    """COCO's polygons or run lengths -> (H, W) of 0 and 1."""
    from pycocotools import mask

    whole = isinstance(segmentation, dict) and isinstance(segmentation["counts"], str)
    runs = segmentation if whole else mask.frPyObjects(segmentation, *shape)
    pixels: UInt8Array = mask.decode(mask.merge(runs) if isinstance(runs, list) else runs)
    return pixels


def encode(masks: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Masks (M, H, W) as compressed run lengths, fit for JSON."""
    from pycocotools import mask

    runs = mask.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8)))
    return [{"size": list(r["size"]), "counts": r["counts"].decode("ascii")} for r in runs]
