"""The receptive field block in the heads of ASFF* (after RFBNet, arXiv 1711.07767, section 3.2)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.ops.block.cost import BRANCHES, branch_widths
from nas.ops.common import Build
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


class Rfb(nn.Module):
    """Four parallel branches of plain biased convolutions, concatenated: (N, C, H, W) -> (N, channels_out, H, W).

    Each makes a quarter of the output; the first branches take the remainder, and branches without channels are left
    out.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            _branch(layers, channels_in, width)
            for layers, width in zip(BRANCHES, branch_widths(channels_out), strict=True)
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
