"""Grid of a YOLOv3 head: positions and anchors of its outputs, and decoding to boxes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.detectors.cost import SLOTS

FREE_STRIDES = 4.0
MAX_LOG = 10.0
"""Logs of sizes are clamped here before `exp`, so that early steps do not overflow."""

Pairs = tuple[tuple[float, float], ...]
_FINE: tuple[Pairs, ...] = (((10, 13), (16, 30), (33, 23)), ((30, 61), (62, 45), (42, 119)))
ANCHORS: dict[str, tuple[Pairs, ...]] = {
    "coco": (*_FINE, ((116, 90), (156, 198), (373, 326))),
    "released": (*_FINE, ((116, 90), (156, 198), (121, 240))),
}
"""Width and height in px at levels 3, 4 and 5. The released darknet models have an error in the last one."""


def anchors(level: int, which: str) -> Pairs:
    """The static anchors of a level; outside 3 .. 5 those of the nearest level, doubled or halved per step."""
    known = min(max(level, 3), 5)
    factor = 2.0 ** (level - known)
    return tuple((w * factor, h * factor) for w, h in ANCHORS[which][known - 3])


@dataclass(frozen=True)
class Grid:
    """The P positions (places) of a head's outputs, in the order of `Raw`.

    Attributes:
        corner: (P, 2) left and upper edge of the cell, px.
        stride: (P, 1) side of the cell, px.
        base: (P, 2) width and height of the unguided anchor, px.
        static: (L * 3, 2) the static anchors of all levels, px.
        cells: rows and columns of each level.
        strides: side of each level's cells, px.
    """

    corner: Tensor
    stride: Tensor
    base: Tensor
    static: Tensor
    cells: tuple[tuple[int, int], ...]
    strides: tuple[int, ...]

    def anchors(self, guide: Tensor) -> Tensor:
        """(N, P, 2) guide -> width and height of the guided anchors, px."""
        return guide.clamp(max=MAX_LOG).exp() * self.base

    def boxes(self, raw: Tensor, anchors: Tensor) -> Tensor:
        """(N, P, 4) raw boxes and their anchors -> xyxy in px."""
        centre = raw[..., :2].sigmoid() * self.stride + self.corner
        half = raw[..., 2:].clamp(max=MAX_LOG).exp() * anchors / 2
        return torch.cat((centre - half, centre + half), -1)


def make_grid(size: tuple[int, int], levels: Sequence[int], which: str, unit: float, device: torch.device) -> Grid:
    """The grid of an image of a height and width in px, its anchors multiplied by `unit`."""
    corners, sides, bases, statics, cells = [], [], [], [], []
    for level in levels:
        stride = 2**level
        rows, columns = (-(-side // stride) for side in size)
        static = torch.tensor(anchors(level, which), device=device) * unit
        free = static.new_full((1, 2), FREE_STRIDES * stride * unit)
        y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
        corners.append((torch.stack((x, y), -1).flatten(0, 1) * float(stride)).repeat(SLOTS, 1))
        sides.append(static.new_full((SLOTS * rows * columns, 1), stride))
        bases.append(torch.cat((static, free)).repeat_interleave(rows * columns, 0))
        statics.append(static)
        cells.append((rows, columns))
    strides = tuple(2**level for level in levels)
    return Grid(torch.cat(corners), torch.cat(sides), torch.cat(bases), torch.cat(statics), tuple(cells), strides)
