"""Checks of a set's boxes and areas: coordinates of another format or scale, and implausible areas."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.detection_set import FloatArray
from nas.data.diagnostics import Diagnostics, Kind, Severity

Record = dict[str, Any]
BoolArray = NDArray[np.bool_]
Floats = NDArray[np.float64]

_FAR = 1e9
"""Bound of valid coordinates, px; products of smaller ones do not overflow."""
_FEW = 3
"""Fewest boxes beyond their images from which another box format is inferred."""
_MANY = 30
"""Fewest boxes of which some must reach the right and lower parts of their images."""
_SLENDER = 30
_REACH = 0.55

_FRACTIONS = Kind(
    "boxes that all lie within the first pixel of their image",
    "state [x, y, width, height] in pixels, not as parts of the image: multiply by its width and height",
)
_CORNERS = Kind(
    "boxes beyond their image, where all would fit as [x1, y1, x2, y2]",
    "state [x, y, width, height]; AP will be near 0 if these are corners",
    Severity.warning,
)
_CENTRES = Kind(
    "boxes beyond their image, where all would fit as [centre x, centre y, width, height]",
    "state [x, y, width, height] with the upper left corner; AP will be near 0 if these are centres",
    Severity.warning,
)
_SHRUNK = Kind(
    f"boxes of which none reaches beyond the upper left {_REACH:.0%} of its image",
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
    extent = limits[:, ::-1]
    first, second = boxes.xywh[:, :2], boxes.xywh[:, 2:]
    beyond = sound & (first + second > extent + 1).any(1)
    if sound.any() and np.abs(boxes.xywh[sound]).max() <= 1.5 and extent.min() > 4:
        note(_FRACTIONS, sound)
        return
    note(_OUTSIDE, boxes.outside)
    note(_CLIPPED, boxes.clipped & ~crowd)
    if beyond.sum() >= _FEW and beyond.sum() >= 0.1 * sound.sum():
        if _nearly_all(((second > first) & (second <= extent + 1))[sound]):
            note(_CORNERS, beyond)
        elif _nearly_all(((first - second / 2 >= -1) & (first + second / 2 <= extent + 1))[sound]):
            note(_CENTRES, beyond)
    if sound.sum() >= _MANY and ((first + second) <= _REACH * extent)[sound].all():
        note(_SHRUNK, sound)
    note(_MANY_CROWDS if crowd.sum() > 0.1 * len(crowd) else _FEW_CROWDS, crowd)
    thin = sound & (second.max(1) > _SLENDER * second.min(1))
    if thin.sum() > 0.01 * sound.sum():
        note(_THIN, thin)


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

    COCO classifies objects as small, medium and large by area. A stated area is implausible if it is 0, more than
    twice or less than a thousandth of the box's, or the same in all annotations with boxes of many sizes.

    Args:
        annotations: changed in place.
        boxes: (N, 4) x y width height.
        outlined: (N,) whether each annotation has a well-formed mask.
        diagnostics: of the file.
    """
    stated = np.array([a["area"] if a.get("area") is not None else np.nan for a in annotations], np.float64)
    box = boxes[:, 2] * boxes[:, 3]
    missing, there = np.isnan(stated), box > 0
    bad = there & ~missing & ((stated == 0) | (stated > 2 * box + 1) | (stated < box / 1000))
    given, spread = stated[there & ~missing], box[there & ~missing]
    if len(given) >= _FEW and (given == given[0]).all() and spread.max() > 1.5 * spread.min():
        bad = there & ~missing
    for i in np.flatnonzero(bad | missing).tolist():
        annotations[i]["area"] = _area(annotations[i], float(box[i]), outlined=bool(outlined[i]))
    where = np.flatnonzero(bad)
    diagnostics.add_all(_AREAS, len(where), [f"{label(annotations[i], i)} of area {stated[i]:g}" for i in where[:3]])


def _area(annotation: Record, box: float, *, outlined: bool) -> float:
    from nas.data.masks import outline_area

    outline = outline_area(annotation["segmentation"]) if outlined else 0.0
    return outline if 0 < outline <= 2 * box + 1 else box
