"""Matching of a YOLOv3 head's outputs to objects (ASFF, arXiv 1911.09516, released code)."""

from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from nas.detectors.cost import SLOTS, STATIC
from nas.detectors.match import parts
from nas.detectors.yolov3.grid import Grid

IGNORE_IOU = 0.7


class Truths(NamedTuple):
    """The T objects of a batch, image by image."""

    image: Tensor
    """(T,) index of the image."""
    boxes: Tensor
    """(T, 4) xyxy, px."""
    labels: Tensor
    """(T,) from 0."""
    mixup: Tensor
    """(T,) mixup share of the object's image, 1 without mixup."""
    counts: list[int]
    """Number of objects of each image."""

    @property
    def size(self) -> Tensor:
        """(T, 2) width and height."""
        return self.boxes[:, 2:] - self.boxes[:, :2]

    @property
    def centre(self) -> Tensor:
        """(T, 2)."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2


class Match(NamedTuple):
    """Places matched to each object, as indices over all images (N * P)."""

    positive: Tensor
    """(T,) the place trained to predict it."""
    static: Tensor
    """(T,) the best static anchor of its cell."""
    free: Tensor
    """(T,) the free anchor of its cell."""


def gather_truths(targets: list[dict[str, Tensor]]) -> Truths:
    """Targets of torchvision's form, optionally with `mixup`, the share (M_i,) of each object's image in the blend."""
    boxes = [target["boxes"] for target in targets]
    shares = [target.get("mixup", b.new_ones(len(b))) for target, b in zip(targets, boxes, strict=True)]
    counts = [len(b) for b in boxes]
    image = torch.tensor([i for i, count in enumerate(counts) for _ in range(count)], dtype=torch.int64)
    labels = torch.cat([target["labels"] for target in targets]).long()  # labels of no object are often floats
    return Truths(image.to(labels.device), torch.cat(boxes).float(), labels, torch.cat(shares).float(), counts)


def match(truths: Truths, anchors: Tensor, grid: Grid) -> Match:
    """Match each object to the level of the static anchor of highest shape IoU, and there to its cell.

    The free anchor is matched instead if, guided, its shape IoU exceeds that of the unguided static anchor.

    Args:
        truths: T objects.
        anchors: (N, P, 2) guided anchors; no gradient flows.
        grid: positions of the outputs.
    """
    anchors = anchors.detach()
    iou, best = shape_iou(truths.size[:, None], grid.static).max(1)
    level = best.div(STATIC, rounding_mode="floor")
    counts = [SLOTS * rows * columns for rows, columns in grid.cells]
    table = [
        (start, rows, columns, stride)
        for start, (rows, columns), stride in zip(accumulate(counts, initial=0), grid.cells, grid.strides, strict=False)
    ]
    start, rows, columns, stride = torch.tensor(table, device=best.device)[level].unbind(1)
    x, y = truths.centre.div(stride[:, None], rounding_mode="floor").long().unbind(1)
    cell = torch.minimum(y.clamp(min=0), rows - 1) * columns + torch.minimum(x.clamp(min=0), columns - 1)
    first = truths.image * anchors.shape[1] + start + cell
    static, free = (first + slot * rows * columns for slot in (best % STATIC, STATIC))
    free_wins = shape_iou(truths.size, anchors.flatten(0, 1)[free]) > iou
    return Match(torch.where(free_wins, free, static), static, free)


def last_of_place(places: Tensor, count: int) -> Tensor:
    """(T,) places out of `count` -> (T,) the last object with the same place: the owner of the place."""
    order = torch.arange(len(places), device=places.device)
    return order.new_full((count,), -1).scatter_reduce(0, places, order, "amax")[places]


def overlapping(boxes: Tensor, truths: Truths) -> Tensor:
    """(N, P) whether a place's box (N, P, 4) overlaps an object by more than `IGNORE_IOU`: not background."""
    per_image = torch.split(truths.boxes, truths.counts)
    return torch.stack([_overlapping(b, t) for b, t in zip(boxes.detach(), per_image, strict=True)])


def _overlapping(boxes: Tensor, objects: Tensor) -> Tensor:
    """(P,) whether a box (P, 4) overlaps any object (M, 4), in bounded memory."""
    overlaps = torch.empty_like(boxes[:, 0], dtype=torch.bool)
    for piece in parts(len(boxes), len(objects)):
        overlaps[piece] = (box_iou(boxes[piece], objects) > IGNORE_IOU).any(1)
    return overlaps


def shape_iou(a: Tensor, b: Tensor) -> Tensor:
    """(..., 2) widths and heights -> IoU of concentric boxes."""
    shared = torch.minimum(a, b).prod(-1)
    return shared / (a.prod(-1) + b.prod(-1) - shared).clamp(min=1e-9)
