"""The guided-anchoring head (ASFF, arXiv 1911.09516, section 3.1; Guided Anchoring, arXiv 1901.03278, section 3)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.ops import DeformConv2d

from nas.detectors.cost import SLOTS
from nas.ops.block.rfb import Rfb
from search_spaces.ops import Op

PRIOR = 0.01
"""Initial objectness, as in RetinaNet (arXiv 1708.02002, section 3.3): most places are background."""


class Raw(NamedTuple):
    """Outputs of a head, by level, slot, row and column."""

    guide: Tensor
    """(N, P, 2) log of the anchor's width and height over those of its base."""
    boxes: Tensor
    """(N, P, 4) logits of the centre within its cell, and log of the size over the anchor's."""
    objectness: Tensor
    """(N, P) logits."""
    classes: Tensor
    """(N, P, K) logits."""


class GuidedHead(nn.Module):
    """One level: (N, C, H, W) -> `Raw` of 4 H W places.

    The guide predicts the anchors' shapes from the input map. With `deformable`, a 3x3 deformable convolution adapts
    the features to them: its offsets come from the detached guide, its four groups belong to the four anchors. With
    `rfb`, a receptive field block precedes it.
    """

    def __init__(self, channels: int, classes: int, op: Op) -> None:
        super().__init__()
        self.guide = nn.Conv2d(channels, 2 * SLOTS, 1)
        self.rfb = Rfb(channels, channels) if op["rfb"] else nn.Identity()
        self.deformable: bool = op["deformable"]
        if self.deformable:
            self.offset = nn.Conv2d(2 * SLOTS, 2 * 9 * SLOTS, 1, groups=SLOTS)
            self.adapt = DeformConv2d(channels, channels, 3, padding=1)
            _start(self.offset, 0.1)
        self.out = nn.Conv2d(channels, SLOTS * (5 + classes), 1)
        _start(self.guide, 0.01)
        _start(self.out, 0.01)
        with torch.no_grad():
            self.out.get_parameter("bias").view(SLOTS, -1)[:, 4] = -math.log(1 / PRIOR - 1)

    def forward(self, x: Tensor) -> Raw:
        guide = self.guide(x)
        x = self.rfb(x)
        if self.deformable:
            kind = self.adapt.weight.dtype  # its kernels have no bfloat16, and offsets need the precision
            x = self.adapt(x.to(kind), self.offset(guide.detach()).to(kind))
        box, objectness, classes = _by_place(self.out(x)).tensor_split((4, 5), -1)
        return Raw(_by_place(guide), box, objectness[..., 0], classes)


class Yolov3Head(nn.Module):
    """One `GuidedHead` per level, without shared weights; channels may differ."""

    def __init__(self, channels: Sequence[int], classes: int, op: Op) -> None:
        super().__init__()
        self.levels = nn.ModuleList(GuidedHead(c, classes, op) for c in channels)

    def forward(self, maps: Sequence[Tensor]) -> Raw:
        """Maps, finest first -> the outputs of all levels, concatenated."""
        raws = [head(x) for head, x in zip(self.levels, maps, strict=True)]
        return Raw(*(torch.cat(parts, 1) for parts in zip(*raws, strict=True)))


def _by_place(x: Tensor) -> Tensor:
    """(N, slots * D, H, W) -> (N, slots * H * W, D)."""
    images, _, rows, columns = x.shape
    return x.view(images, SLOTS, -1, rows, columns).permute(0, 1, 3, 4, 2).flatten(1, 3)


def _start(conv: nn.Conv2d, deviation: float) -> None:
    nn.init.normal_(conv.weight, std=deviation)
    nn.init.zeros_(conv.get_parameter("bias"))
