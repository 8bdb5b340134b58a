"""Matching of points and anchors to objects, in bounded memory for any number of objects."""

import torch
from torch import Tensor
from torchvision.models.detection._utils import Matcher
from torchvision.ops import box_iou

ROOM = 2**26
"""Memory limit of a matching's temporaries, bytes; larger problems are matched in chunks."""
PAIR_BYTES = 48
"""Bytes of temporaries per pair of a place and an object, in `match_points` and torchvision's `box_iou`."""


def parts(places: int, objects: int) -> list[slice]:
    """Slices of the places: as few as keep the pairs of a slice with all objects within `ROOM`."""
    step = max(1, ROOM // PAIR_BYTES // max(1, objects))
    return [slice(start, start + step) for start in range(0, max(1, places), step)]


def match_points(anchors: Tensor, points_per_level: list[int], boxes: Tensor, radius: float) -> Tensor:
    """Match every point to an object, as torchvision's FCOS does, for a whole batch in one pass.

    A point matches the smallest object that contains it, whose centre is within `radius` units of it, and whose
    farthest side is 4 to 8 units away (no lower bound at the finest level, no upper bound at the coarsest).

    Args:
        anchors: (P, 4) squares around the points, with the level's unit as side; finest level first.
        points_per_level: number of points of each level.
        boxes: (N, M, 4) objects of each image, xyxy pixels; a box of zero area is padding.
        radius: centre sampling radius, in units.

    Returns:
        (N, P) index into the image's objects, -1 for none.
    """
    unit = (anchors[:, 2] - anchors[:, 0])[:, None]
    low, high = unit * 4, unit * 8
    low[: points_per_level[0]] = 0
    high[-points_per_level[-1] :] = torch.inf
    pieces = parts(len(anchors), boxes.shape[0] * boxes.shape[1])
    if len(pieces) == 1:
        return _smallest(anchors, unit, low, high, boxes, radius)
    matched = boxes.new_empty((len(boxes), len(anchors)), dtype=torch.int64)
    for piece in pieces:
        matched[:, piece] = _smallest(anchors[piece], unit[piece], low[piece], high[piece], boxes, radius)
    return matched


def _smallest(anchors: Tensor, unit: Tensor, low: Tensor, high: Tensor, boxes: Tensor, radius: float) -> Tensor:
    """The smallest matching object (N, P) of each of P points, -1 for none; `unit`, `low` and `high` are (P, 1)."""
    x0, y0, x1, y1 = boxes.unsqueeze(1).unbind(-1)  # (N, 1, M)
    x, y = ((anchors[:, :2] + anchors[:, 2:]) / 2).unsqueeze(1).unbind(-1)  # (P, 1)
    sides = torch.stack((x - x0, y - y0, x1 - x, y1 - y))  # (4, N, P, M)
    nearest, farthest = sides.amin(0), sides.amax(0)
    off_centre = torch.maximum((x - (x0 + x1) / 2).abs(), (y - (y0 + y1) / 2).abs())
    fits = (off_centre < radius * unit) & (nearest > 0) & (farthest > low) & (farthest < high)
    area = torch.where(fits, (x1 - x0) * (y1 - y0), torch.inf)
    smallest, index = area.min(-1)
    return torch.where(smallest.isfinite(), index, -1)


def match_boxes(matcher: Matcher, objects: Tensor, anchors: Tensor) -> Tensor:
    """torchvision's matcher on the IoU of M >= 1 objects (M, 4) and P anchors (P, 4), xyxy, in bounded memory.

    Returns:
        (P,) index of the anchor's object, or the matcher's negative numbers.
    """
    pieces = parts(len(anchors), len(objects))
    if len(pieces) == 1:
        matched: Tensor = matcher(box_iou(objects, anchors))
        return matched
    highest = _highest(objects, anchors, pieces) if matcher.allow_low_quality_matches else None
    matched = torch.empty_like(anchors[:, 0], dtype=torch.int64)  # a list of pieces would fragment the heap
    for piece in pieces:
        matched[piece] = _matched(matcher, box_iou(objects, anchors[piece]), highest)
    return matched


def _highest(objects: Tensor, anchors: Tensor, pieces: list[slice]) -> Tensor:
    """The highest IoU (M,) of each object with any anchor."""
    highest = objects.new_full((len(objects),), -torch.inf, dtype=torch.float32)
    for piece in pieces:
        highest = torch.maximum(highest, box_iou(objects, anchors[piece]).amax(1))
    return highest


def _matched(matcher: Matcher, overlap: Tensor, highest: Tensor | None) -> Tensor:
    """As `Matcher.__call__` for a chunk of the anchors, (M, p) -> (p,); `highest` is each object's maximum over all."""
    values, index = overlap.max(0)
    matched = index.masked_fill(values < matcher.low_threshold, matcher.BELOW_LOW_THRESHOLD)
    between = (values >= matcher.low_threshold) & (values < matcher.high_threshold)
    matched = matched.masked_fill(between, matcher.BETWEEN_THRESHOLDS)
    if highest is None:
        return matched
    return torch.where((overlap == highest[:, None]).any(0), index, matched)


class PairMatcher(Matcher):
    """torchvision's matcher in bounded memory; `box_similarity` must be `as_pair`."""

    def __call__(self, pair: tuple[Tensor, Tensor]) -> Tensor:  # type: ignore[override]
        return match_boxes(Matcher(self.high_threshold, self.low_threshold, self.allow_low_quality_matches), *pair)


def as_pair(objects: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Objects (M, 4) and anchors (P, 4) unchanged, for `PairMatcher`."""
    return objects, anchors
