"""Masks in COCO's forms, polygons and run lengths, and as pixels."""

import math
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.detection_set import UInt8Array
from nas.data.diagnostics import Kind, Severity

Shape = tuple[int, int]
"""Height and width, px."""

MALFORMED = Kind(
    "malformed masks, which are not used", "export them again; boxes are used all the same", Severity.warning
)
UNMASKED = Kind("annotations without a mask, where others have one", "", Severity.note)

_SHORTEST = 6
"""Numbers in a polygon of three corners."""

_CONTINUES, _NEGATIVE, _FIRST, _LAST = 0x20, 0x10, 48, 111
"""Compressed run lengths: a character's two flags, and the range of characters."""
_MOST_PIXELS = 2**31
_MOST_CHARACTERS = 7
"""Most characters of one compressed run length: more do not fit into 32 bits."""


def is_absent(segmentation: object) -> bool:
    """Whether an annotation has no mask: no `segmentation`, an empty one, or one of empty polygons alone."""
    if not segmentation:
        return True
    return isinstance(segmentation, list) and not any(segmentation) and all(polygon == [] for polygon in segmentation)


def mask_fault(segmentation: object, shape: Shape) -> str:
    """The fault of a `segmentation` in any of COCO's three forms; empty if it is a well-formed mask of the image.

    Checks everything on which pycocotools' C code, which does not check, would loop or write out of bounds.

    Args:
        segmentation: the annotation's field, as parsed from JSON.
        shape: height and width of the annotation's image, px.
    """
    if shape[0] * shape[1] >= _MOST_PIXELS:
        return f"is of an image of {shape[1]}x{shape[0]}, more pixels than run lengths of 32 bits can count"
    if isinstance(segmentation, list):
        return next(filter(None, (_polygon_fault(polygon, shape) for polygon in segmentation)), "")
    if isinstance(segmentation, dict):
        return _runs_fault(segmentation, shape)
    return f"is neither polygons nor run lengths, but {segmentation!r:.40}"


def _polygon_fault(polygon: object, shape: Shape) -> str:
    if not isinstance(polygon, list) or not set(map(type, polygon)) <= {int, float}:
        return "has a polygon that is not a list of numbers"
    if len(polygon) < _SHORTEST or len(polygon) % 2:
        return f"has a polygon of {len(polygon)} numbers, not of 6, 8, 10 or more"
    # outlines may slightly exceed their image; the C code visits every pixel along an edge, at any distance
    extent = max(shape)
    # a sum with NaN is NaN, and comparisons with NaN are false
    if not (-extent <= min(polygon) and max(polygon) <= 2 * extent and abs(sum(polygon)) < math.inf):
        return f"has a polygon with coordinates far outside its {shape[1]}x{shape[0]} image, or not finite"
    return ""


def _runs_fault(runs: dict[str, Any], shape: Shape) -> str:
    if runs.get("size") != list(shape):
        return f"is of size {runs.get('size')!r:.40}, its image of {list(shape)} (height, width)"
    counts = runs.get("counts")
    if isinstance(counts, str):
        try:
            counts = decompress(counts)
        except ValueError as error:
            return str(error)
    elif not isinstance(counts, list) or not set(map(type, counts)) <= {int}:
        return "has 'counts' that are neither a text nor a list of whole numbers"
    pixels = shape[0] * shape[1]
    if min(counts, default=0) < 0 or max(counts, default=0) > pixels:
        return f"has a run length outside 0 to {pixels}, the pixels of its image"
    if (total := sum(counts)) != pixels:
        return f"has run lengths that sum to {total}, its image has {pixels} pixels"
    return ""


def decompress(text: str) -> list[int]:
    """Run lengths of COCO's compressed form: LEB128-like, five bits per character, deltas after the third.

    Raises:
        ValueError: the text is not such run lengths.
    """
    characters = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8).astype(np.int64)
    if not len(characters) or characters.min() < _FIRST or characters.max() > _LAST:
        raise ValueError(f"has compressed run lengths with foreign characters: {text!r:.40}")
    values = characters - _FIRST
    last = np.flatnonzero(values & _CONTINUES == 0)
    starts = np.concatenate(([0], last[:-1] + 1))
    lengths = np.diff(np.append(starts, len(values)))
    if not len(last) or last[-1] != len(values) - 1 or lengths.max() > _MOST_CHARACTERS:
        raise ValueError("has compressed run lengths that are cut short")
    place = np.arange(len(values)) - np.repeat(starts, lengths)
    runs = np.add.reduceat((values & 0x1F) << (5 * place), starts)
    runs -= np.where(values[last] & _NEGATIVE, 1 << (5 * lengths), 0)
    for first in (1, 2):  # each is a delta to the last but one, except the first three
        runs[first::2] = np.cumsum(runs[first::2])
    return [int(run) for run in runs]


def outline_area(segmentation: Any) -> float:
    """Area of a well-formed mask, px: polygons by the shoelace formula, as in COCO; 0 if absent."""
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        return float(sum((decompress(counts) if isinstance(counts, str) else counts)[1::2]))
    return sum(_shoelace(polygon) for polygon in segmentation or ())


def extent(segmentation: Any) -> tuple[float, float, float, float]:
    """x1 y1 x2 y2 of what a well-formed mask covers, px; zeros where it covers nothing."""
    if isinstance(segmentation, list):
        xs, ys = ([value for polygon in segmentation for value in polygon[first::2]] for first in (0, 1))
        return min(xs), min(ys), max(xs), max(ys)
    from pycocotools import mask

    x, y, width, height = mask.toBbox(compressed(segmentation, tuple(segmentation["size"]))).tolist()
    return x, y, x + width, y + height


def _shoelace(polygon: list[float]) -> float:
    # several times as fast as arrays for the few corners of an outline
    xs, ys = polygon[::2], polygon[1::2]
    return abs(sum(map(mul, xs, ys[1:] + ys[:1])) - sum(map(mul, ys, xs[1:] + xs[:1]))) / 2


def draw(segmentation: Any, shape: Shape, scale: float, size: int) -> UInt8Array:
    """Rasterise one mask in a letterboxed image.

    Args:
        segmentation: COCO's polygons in stored px, or run lengths of the stored image.
        shape: height and width of the stored image, px.
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
    """Index of the stored pixel under each letterboxed pixel's centre, without the padding."""
    under = ((np.arange(size) + 0.5) / scale).astype(np.int64)
    return under[under < extent]


def decode(segmentation: Any, shape: Shape) -> UInt8Array:
    """COCO's polygons or run lengths -> (H, W) of 0 and 1."""
    from pycocotools import mask

    pixels: UInt8Array = mask.decode(compressed(segmentation, shape))
    return pixels


def compressed(segmentation: Any, shape: Shape) -> dict[str, Any]:
    """A well-formed mask in any of COCO's three forms -> compressed run lengths; compressed ones are returned as is."""
    from pycocotools import mask

    if isinstance(segmentation, dict) and not isinstance(segmentation["counts"], list):
        return segmentation
    runs = mask.frPyObjects(segmentation, *shape)
    merged: dict[str, Any] = mask.merge(runs) if isinstance(runs, list) else runs
    return merged


def encode(masks: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Masks (M, H, W) as compressed run lengths that JSON can hold."""
    from pycocotools import mask

    runs = mask.encode(np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8)))
    return [{"size": list(r["size"]), "counts": r["counts"].decode("ascii")} for r in runs]
