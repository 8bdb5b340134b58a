"""The losses of YOLOv3 with guided anchors (ASFF, arXiv 1911.09516, section 3.1 and released code)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from nas.detectors.yolov3.grid import Grid
from nas.detectors.yolov3.head import Raw
from nas.detectors.yolov3.match import Match, Truths, gather_truths, last_of_place, match, overlapping, shape_iou

_bce = functional.binary_cross_entropy_with_logits


class Terms(NamedTuple):
    """Loss terms of each of the T objects, or of each of the P places of N images."""

    anchor: Tensor
    """(T,) 1 - IoU^2 of the object's shape with the static and the free anchor that learn it."""
    iou: Tensor
    """(T,) 1 - IoU^2 of the box."""
    box: Tensor
    """(T,) cross-entropy of the centre within its cell, and L1 distance of the log size."""
    objectness: Tensor
    """(N, P) cross-entropy; ignored at unmatched places whose box overlaps an object."""
    classification: Tensor
    """(T,) cross-entropy."""


def losses(
    raw: Raw, grid: Grid, targets: list[dict[str, Tensor]], size: tuple[int, int], *, smoothing: bool
) -> dict[str, Tensor]:
    """The terms by name, summed over objects or places and divided by the number of images; all have weight 1.

    Args:
        raw: the head's outputs, N images.
        grid: positions of the outputs.
        targets: `boxes` (M, 4) xyxy px, `labels` (M,) from 0, optionally `mixup` (M,) of each image.
        size: height and width of the images, px.
        smoothing: class targets 1 - 1/K and 1/K instead of 1 and 0.
    """
    found_terms = terms(raw, grid, gather_truths(targets), size, smoothing=smoothing)
    return {name: term.sum() / len(targets) for name, term in found_terms._asdict().items()}


def terms(raw: Raw, grid: Grid, truths: Truths, size: tuple[int, int], *, smoothing: bool) -> Terms:
    """The unreduced losses. `iou` and `box` are weighted by 2 - the object's share of the image's area."""
    raw = Raw(*(part.float() for part in raw))
    anchors = grid.anchors(raw.guide)
    matched = match(truths, anchors, grid)
    places = matched.positive
    boxes = grid.boxes(raw.boxes, anchors)
    owner = last_of_place(places, raw.objectness.numel())
    owns = _owns_place(owner)
    weight = owns * (2 - truths.size.prod(1) / (size[0] * size[1]))
    background = ~overlapping(boxes, truths)
    anchor = anchors.flatten(0, 1)
    matched_raw = Raw(*(part.flatten(0, 1)[places] for part in raw))
    return Terms(
        anchor=_anchor(anchor, truths, matched),
        iou=weight * (1 - _iou(boxes.flatten(0, 1)[places], truths.boxes) ** 2),
        box=weight * _box(matched_raw.boxes, anchor[places], truths, grid, places),
        objectness=_objectness(raw.objectness, background, places, truths.mixup[owner]),
        classification=owns * _classes(matched_raw.classes, truths.labels, owner, smoothing),
    )


def _owns_place(owner: Tensor) -> Tensor:
    """(T,) 1 for the object that owns its place, 0 for others matched to it."""
    return (owner == torch.arange(len(owner), device=owner.device)).float()


def _anchor(anchors: Tensor, truths: Truths, matched: Match) -> Tensor:
    """(T,) sum over the static and the free anchor of an object's cell."""
    return sum(
        (
            _owns_place(last_of_place(places, len(anchors))) * (1 - shape_iou(anchors[places], truths.size) ** 2)
            for places in (matched.static, matched.free)
        ),
        torch.zeros_like(truths.mixup),
    )


def _iou(boxes: Tensor, truths: Tensor) -> Tensor:
    """(T, 4) and (T, 4) xyxy -> (T,)."""
    low, high = torch.maximum(boxes[:, :2], truths[:, :2]), torch.minimum(boxes[:, 2:], truths[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    areas = [(b[:, 2:] - b[:, :2]).prod(1) for b in (boxes, truths)]
    return shared / (areas[0] + areas[1] - shared).clamp(min=1e-9)


def _box(raw: Tensor, anchors: Tensor, truths: Truths, grid: Grid, places: Tensor) -> Tensor:
    """(T,) loss of centre and size in the head's encoding; gradients also reach the anchors."""
    place = places % len(grid.base)
    inside = ((truths.centre - grid.corner[place]) / grid.stride[place]).clamp(0, 1)
    size = (truths.size.clamp(min=1e-3) / anchors).log()
    centre = _bce(raw[:, :2], inside, reduction="none").sum(1)
    return centre + (raw[:, 2:] - size).abs().sum(1)


def _objectness(logits: Tensor, background: Tensor, positive: Tensor, mixup: Tensor) -> Tensor:
    """Target 1 at positives, weighted by their mixup share; 0 at the background; other places are ignored."""
    target = torch.zeros_like(logits).flatten()
    weight = background.to(logits.dtype).flatten()
    target[positive] = 1
    weight[positive] = mixup
    return _bce(logits, target.view_as(logits), weight.view_as(logits), reduction="none")


def _classes(logits: Tensor, labels: Tensor, owner: Tensor, smoothing: bool) -> Tensor:
    """(T,) cross-entropy over the classes; objects of one `owner` share a place and so their labels."""
    count = logits.shape[1]
    of_place = torch.zeros_like(logits)
    of_place[owner, labels] = 1
    target = of_place[owner]
    if smoothing:
        target = target * (1 - 2 / count) + 1 / count
    return _bce(logits, target, reduction="none").sum(1)
