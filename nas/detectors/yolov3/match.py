"""Which output of a YOLOv3 head answers for which object (ASFF, arXiv 1911.09516, released code)."""

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
    """The objects of a batch, T of them, one image after the other."""

    image: Tensor
    """(T,) which image."""
    boxes: Tensor
    """(T, 4) xyxy, px."""
    labels: Tensor
    """(T,) from 0."""
    mixup: Tensor
    """(T,) share of the image they come from, 1 without mixup."""
    counts: list[int]
    """How many each image has."""

    @property
    def size(self) -> Tensor:
        """(T, 2) width and height."""
        return self.boxes[:, 2:] - self.boxes[:, :2]

    @property
    def centre(self) -> Tensor:
        """(T, 2)."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2


class Match(NamedTuple):
    """The places of each object, counted through all images (N * P)."""

    positive: Tensor
    """(T,) the place that has to find it."""
    static: Tensor
    """(T,) the static anchor of its cell that is most like it."""
    free: Tensor
    """(T,) the free anchor of its cell."""


def gather_truths(targets: list[dict[str, Tensor]]) -> Truths:
    """Targets of torchvision's form, optionally with `mixup`, the share (M_i,) of each object's image in the blend."""
    boxes = [target["boxes"] for target in targets]
    shares = [target.get("mixup", b.new_ones(len(b))) for target, b in zip(targets, boxes, strict=True)]
    counts = [len(b) for b in boxes]
    image = torch.tensor([i for i, count in enumerate(counts) for _ in range(count)], dtype=torch.int64)
    labels = torch.cat([target["labels"] for target in targets]).long()  # of no object they are often floats
    return Truths(image.to(labels.device), torch.cat(boxes).float(), labels, torch.cat(shares).float(), counts)


def match(truths: Truths, anchors: Tensor, grid: Grid) -> Match:
    """Give each object to the level that owns the static anchor most like it in shape, and there to its cell.

    The free anchor answers for it where, guided, it is more like it than that static anchor is as published.

    Args:
        truths: T objects.
        anchors: (N, P, 2) guided anchors; no gradient flows.
        grid: where they lie.
    """
    anchors = anchors.detach()
    likeness, best = shape_iou(truths.size[:, None], grid.static).max(1)
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
    freer = shape_iou(truths.size, anchors.flatten(0, 1)[free]) > likeness
    return Match(torch.where(freer, free, static), static, free)


def last_of_place(places: Tensor, count: int) -> Tensor:
    """(T,) places out of `count` -> (T,) the last object that has the same place; to it alone it belongs."""
    order = torch.arange(len(places), device=places.device)
    return order.new_full((count,), -1).scatter_reduce(0, places, order, "amax")[places]


def found(boxes: Tensor, truths: Truths) -> Tensor:
    """(N, P) places whose box (N, P, 4) is so like some object that they are not called background."""
    per_image = torch.split(truths.boxes, truths.counts)
    return torch.stack([_near(b, t) for b, t in zip(boxes.detach(), per_image, strict=True)])


def _near(boxes: Tensor, objects: Tensor) -> Tensor:
    """Which of (P, 4) boxes are so like one of (M, 4) objects, in bounded memory."""
    near = torch.empty_like(boxes[:, 0], dtype=torch.bool)
    for piece in parts(len(boxes), len(objects)):
        near[piece] = (box_iou(boxes[piece], objects) > IGNORE_IOU).any(1)
    return near


def shape_iou(a: Tensor, b: Tensor) -> Tensor:
    """(..., 2) widths and heights -> IoU of boxes with one centre."""
    shared = torch.minimum(a, b).prod(-1)
    return shared / (a.prod(-1) + b.prod(-1) - shared).clamp(min=1e-9)
