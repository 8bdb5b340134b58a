"""The receptive field block in the heads of ASFF* (after RFBNet, arXiv 1711.07767, section 3.2)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.ops.common import Build, MapSpec
from nas.ops.tally import Tally
from search_spaces.ops import Op

BRANCHES: tuple[tuple[tuple[int, int], ...], ...] = (
    ((1, 1),),
    ((1, 1), (3, 1)),
    ((1, 1), (3, 1), (3, 2)),
    ((1, 1), (5, 1), (3, 3)),
)
"""Kernel and dilation of each convolution of each branch."""


class Rfb(nn.Module):
    """Four parallel branches of plain biased convolutions, concatenated: (N, C, H, W) -> (N, channels_out, H, W).

    Each makes a quarter of the output; the first branches take the remainder, and branches without channels are left
    out.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            _branch(layers, channels_in, width)
            for layers, width in zip(BRANCHES, _widths(channels_out), strict=True)
            if width
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def rfb(op: Op, entry: MapSpec, target: MapSpec, build: Build) -> nn.Module:
    """The block, at the level of its input; without norm and activation, as released."""
    return Rfb(entry.channels, target.channels)


def _branch(layers: Sequence[tuple[int, int]], channels: int, width: int) -> nn.Sequential:
    convs = []
    for kernel, dilation in layers:
        convs.append(nn.Conv2d(channels, width, kernel, padding=dilation * (kernel // 2), dilation=dilation))
        channels = width
    return nn.Sequential(*convs)


def rfb_cost(op: Op, entry: MapSpec, target: MapSpec, tally: Tally) -> None:
    """What the block costs."""
    branches_cost(entry.channels, target.channels, tally.pixels(target.level), tally)


def branches_cost(channels_in: int, channels_out: int, pixels: int, tally: Tally) -> None:
    """What the branches cost, all of which are alive beside their concatenation."""
    for layers, width in zip(BRANCHES, _widths(channels_out), strict=True):
        channels = channels_in
        for kernel, _ in layers if width else ():
            tally.conv(channels, width, pixels, kernel=kernel, bias=True)
            channels = width
    tally.write(channels_out, pixels, copies=2)


def _widths(channels_out: int) -> list[int]:
    """What each branch makes of a number of channels."""
    return [(channels_out + 3 - i) // 4 for i in range(4)]
