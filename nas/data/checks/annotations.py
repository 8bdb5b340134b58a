"""Checks of a set's boxes and areas: coordinates of another format or scale, and implausible areas."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.checks.sample import evenly_spread
from nas.data.detection_set import FloatArray
from nas.data.diagnostics import Diagnostics, Kind, Severity
from nas.data.masks import extent, outline_area

Record = dict[str, Any]
BoolArray = NDArray[np.bool_]
Floats = NDArray[np.float64]

_FAR = 1e9
"""Bound of valid coordinates, px; products of smaller ones do not overflow."""
_FEW = 3
"""Fewest boxes beyond their images from which another box format is inferred."""
_MANY = 12
"""Fewest boxes from which a smaller scale of the coordinates is inferred."""
_SLENDER = 30
_REACH = 0.55

_FRACTIONS = Kind(
    "boxes that all lie within the first pixel of their image",
    "state [x, y, width, height] in pixels, not as parts of the image: multiply by its width and height",
)
_SOME_FRACTIONS = Kind(
    "boxes that lie within the first pixel of their image, as parts of an image would",
    "state [x, y, width, height] in pixels: multiply by the image's width and height",
    Severity.warning,
)
_BEYOND = "boxes beyond their image, where all would fit as "
_CORNERS = Kind(
    f"{_BEYOND}[x1, y1, x2, y2]",
    "state [x, y, width, height]; AP will be near 0 if these are corners",
    Severity.warning,
)
_CENTRES = Kind(
    f"{_BEYOND}[centre x, centre y, width, height]",
    "state [x, y, width, height] with the upper left corner; AP will be near 0 if these are centres",
    Severity.warning,
)
_SWAPPED = Kind(
    f"{_BEYOND}[y, x, height, width] or [y1, x1, y2, x2]",
    "state [x, y, width, height]; AP will be near 0 if the axes are swapped",
    Severity.warning,
)
_ELSEWHERE = Kind(
    "boxes beyond their image",
    "store them in pixels of the stored images: not in thousandths, nor of larger copies",
    Severity.warning,
)
_SHRUNK = Kind(
    f"boxes, where none reaches beyond the upper left {_REACH:.0%} of its image",
    "check that they are in pixels of the stored images, not in per cent or of smaller copies",
    Severity.warning,
)
_EMPTY = Kind("boxes without a finite, positive width and height, left out", "", Severity.warning)
_OUTSIDE = Kind("boxes outside their image, left out", "", Severity.warning)
_CLIPPED = Kind("boxes partly outside their image, clipped for training", "", Severity.note)
_CROWDS = "crowds (iscrowd 1), not trained on, and neither missed nor false when scored"
_FEW_CROWDS = Kind(_CROWDS, "", Severity.note)
_MANY_CROWDS = Kind(_CROWDS, "set iscrowd to 0 where an annotation is a single object", Severity.warning)
_REPEATED = Kind("objects annotated more than once: same image, category and box", "drop the copies", Severity.warning)
_THIN = Kind(f"boxes more than {_SLENDER} times as long as wide", "check that they are intended", Severity.note)
_SAMPLE = 500
"""Annotations whose masks are compared with their areas and boxes."""
_APART = Kind(
    "masks that do not lie in their boxes, of those looked at",
    "store both in pixels, and in the order x, y; run lengths go down columns",
    Severity.warning,
)
_AREAS = Kind("implausible areas, such as 0, replaced by those of the outlines or boxes", "", Severity.warning)


@dataclass(frozen=True)
class Boxes:
    """A file's boxes, compared with their images.

    Attributes:
        xywh: (N, 4) as stated; zeros where `empty`.
        inside: (N, 4) x1 y1 x2 y2, clipped to the image, float32.
        empty: (N,) boxes without a finite, positive width and height.
        outside: (N,) boxes that do not intersect their image.
        clipped: (N,) boxes partly outside their image.
    """

    xywh: Floats
    inside: FloatArray
    empty: BoolArray
    outside: BoolArray
    clipped: BoolArray

    @property
    def kept(self) -> BoolArray:
        return ~(self.empty | self.outside)


def clip(xywh: Floats, limits: Floats) -> Boxes:
    """Compare stated boxes (N, 4) with their images' (height, width) (N, 2).

    Computed in float32, as in training: a box whose clipped extent rounds to 0 is outside.
    """
    sound = np.concatenate([np.abs(xywh) < _FAR, xywh[:, 2:] > 0], axis=1)
    empty: BoolArray = np.logical_not(sound.all(1))
    xywh = np.where(empty[:, None], 0, xywh)
    corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).astype(np.float32)
    inside = np.clip(corners, 0, limits[:, [1, 0, 1, 0]].astype(np.float32))
    outside: BoolArray = ~empty & (inside[:, 2:] <= inside[:, :2]).any(1)
    clipped: BoolArray = ~empty & ~outside & (inside != corners).any(1)
    return Boxes(xywh, inside, empty, outside, clipped)


def note_boxes(
    boxes: Boxes, limits: Floats, crowd: BoolArray, annotations: Sequence[Record], diagnostics: Diagnostics
) -> None:
    """Record boxes that are left out, clipped, or probably not [x, y, width, height] in px of the stored image."""

    def note(kind: Kind, struck: BoolArray) -> None:
        where = np.flatnonzero(struck)
        diagnostics.add_all(kind, len(where), [label(annotations[i], i) for i in where[:3]])

    note(_EMPTY, boxes.empty)
    sound = ~boxes.empty
    sizes = limits[:, ::-1]
    first, second = boxes.xywh[:, :2], boxes.xywh[:, 2:]
    beyond = sound & (first + second > sizes + 1).any(1)
    parts = sound & (np.abs(boxes.xywh) <= 1.5).all(1) & (sizes.min(1) > 4)
    if sound.any() and (parts == sound).all():
        note(_FRACTIONS, sound)
        return
    if parts.sum() >= max(_FEW, 0.02 * sound.sum()):
        note(_SOME_FRACTIONS, parts)
    note(_OUTSIDE, boxes.outside)
    note(_CLIPPED, boxes.clipped & ~crowd)
    if beyond.sum() >= _FEW and beyond.sum() >= 0.1 * sound.sum():
        note(_format(first[sound], second[sound], sizes[sound]), beyond)
    if sound.sum() >= _MANY and ((first + second) <= _REACH * sizes)[sound].all():
        note(_SHRUNK, sound)
    note(_MANY_CROWDS if crowd.sum() > 0.1 * len(crowd) else _FEW_CROWDS, crowd)
    thin = sound & (second.max(1) > _SLENDER * second.min(1))
    if thin.sum() > 0.01 * sound.sum():
        note(_THIN, thin)


def _format(first: Floats, second: Floats, sizes: Floats) -> Kind:
    """The probable format of boxes, both pairs of numbers (N, 2), in images of `sizes` (N, 2), width and height, px."""
    across = sizes[:, ::-1]
    if _nearly_all((second > first) & (second <= sizes + 1)):
        return _CORNERS
    if _nearly_all((first - second / 2 >= -1) & (first + second / 2 <= sizes + 1)):
        return _CENTRES
    if _nearly_all(first + second <= across + 1) or _nearly_all((second > first) & (second <= across + 1)):
        return _SWAPPED
    return _ELSEWHERE


def note_repeats(
    keys: NDArray[np.int64], boxes: Boxes, annotations: Sequence[Record], diagnostics: Diagnostics
) -> None:
    """Record duplicate objects; `keys` (N, 2) are each object's image and category."""
    rows = np.flatnonzero(boxes.kept)
    numbers = np.concatenate([keys[rows].astype(np.uint64), boxes.xywh[rows].view(np.uint64)], axis=1)
    # a hash of each row: sorting whole rows takes as long as reading the file
    factors = np.random.default_rng(0).integers(2**63, size=numbers.shape[1], dtype=np.uint64) | np.uint64(1)
    mixed = numbers ^ (numbers >> np.uint64(29))
    _, firsts, counts = np.unique((mixed * factors).sum(1), return_index=True, return_counts=True)
    twice = rows[np.sort(firsts[counts > 1])]
    diagnostics.add_all(_REPEATED, int(counts.sum() - len(counts)), [label(annotations[i], i) for i in twice[:3]])


def _nearly_all(fits: BoolArray) -> bool:
    return bool(fits.all(1).mean() >= 0.99)


def label(annotation: Record, index: int) -> str:
    """Name of an annotation in messages."""
    return f"annotation {annotation['id']}" if annotation.get("id") is not None else f"annotation at index {index}"


def settle_areas(annotations: Sequence[Record], boxes: Floats, outlined: BoolArray, diagnostics: Diagnostics) -> None:
    """Give every annotation a plausible `area` in px: the stated one, else the outline's, else the box's.

    COCO classifies objects as small, medium and large by area. A stated area is implausible if it is 0 or less; more
    than twice or less than a thousandth of the box's; the same in all annotations with boxes of many sizes; unlike the
    outline's by a factor of 1.5, where a sample shows that this is common; or, without outlines, if the median is less
    than a tenth of the box's.

    Args:
        annotations: changed in place.
        boxes: (N, 4) x y width height.
        outlined: (N,) which annotations have a sound mask that their area can be taken from.
        diagnostics: of the file.
    """
    stated = np.array([a["area"] if a.get("area") is not None else np.nan for a in annotations], np.float64)
    box = boxes[:, 2] * boxes[:, 3]
    missing = np.isnan(stated)
    there = ~missing & (box > 0)
    bad = there & ((stated <= 0) | (stated > 2 * box + 1) | (stated < box / 1000))
    given, spread = stated[there], box[there]
    if len(given) >= _FEW and (given == given[0]).all() and spread.max() > 1.5 * spread.min():
        bad = there
    bare = there & ~outlined
    if bare.sum() >= _FEW and np.median(stated[bare] / box[bare]) < 0.1:
        bad |= bare
    bad |= _unlike_outlines(annotations, stated, np.flatnonzero(there & outlined))
    for i in np.flatnonzero(bad | missing).tolist():
        annotations[i]["area"] = _area(annotations[i], float(box[i]), outlined=bool(outlined[i]))
    where = np.flatnonzero(bad)
    diagnostics.add_all(_AREAS, len(where), [f"{label(annotations[i], i)} of area {stated[i]:g}" for i in where[:3]])


def _unlike_outlines(annotations: Sequence[Record], stated: Floats, outlined: NDArray[np.int64]) -> BoolArray:
    """(N,) which stated areas are far from their outlines'; none where a sample shows that hardly any is."""
    unlike = np.zeros(len(stated), bool)

    def look(positions: NDArray[np.int64]) -> None:
        areas = np.array([outline_area(annotations[i]["segmentation"]) for i in positions.tolist()])
        ratio = stated[positions] / np.maximum(areas, 1e-9)
        unlike[positions] = (areas > 0) & ((ratio > 1.5) | (ratio < 1 / 1.5))

    sample = outlined[evenly_spread(len(outlined), _SAMPLE)]
    look(sample)
    if unlike[sample].sum() >= max(_FEW, 0.05 * len(sample)):
        look(outlined)
    else:
        unlike[:] = False
    return unlike


def note_masks(
    annotations: Sequence[Record], boxes: Floats, outlined: NDArray[np.int64], diagnostics: Diagnostics
) -> bool:
    """Record, of a sample, sound masks that do not lie in their boxes, if they are many; returns whether they are.

    Args:
        annotations: all of them.
        boxes: (N, 4) x y width height.
        outlined: positions of the annotations that have a sound mask and a sound box.
        diagnostics: of the file.
    """
    sample = outlined[evenly_spread(len(outlined), _SAMPLE)]
    extents = np.array([extent(annotations[i]["segmentation"]) for i in sample.tolist()]).reshape(-1, 4)
    low = np.maximum(extents[:, :2], boxes[sample, :2])
    high = np.minimum(extents[:, 2:], boxes[sample, :2] + boxes[sample, 2:])
    shared = (high - low).clip(0).prod(1)
    areas = (extents[:, 2:] - extents[:, :2]).prod(1) + boxes[sample, 2:].prod(1) - shared
    apart = sample[shared < 0.5 * areas]
    if len(apart) < max(_FEW, 0.1 * len(sample)):
        return False
    diagnostics.add_all(_APART, len(apart), [label(annotations[i], i) for i in apart[:3].tolist()])
    return True


def _area(annotation: Record, box: float, *, outlined: bool) -> float:
    outline = outline_area(annotation["segmentation"]) if outlined else 0.0
    return outline if 0 < outline <= 2 * box + 1 else box
