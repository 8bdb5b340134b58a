"""Spatial pyramid pooling (arXiv 1406.4729) as in YOLOv3-SPP, followed by a convolution."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.ops.common import Build, MapSpec, conv_norm
from nas.ops.tally import Tally
from search_spaces.ops import Op


class Spp(nn.Module):
    """Concatenate the map and its max pools of each size at stride 1; then 1x1 convolution, norm, activation."""

    def __init__(self, op: Op, entry: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()
        self.sizes: tuple[int, ...] = op["sizes"]
        self.conv = conv_norm(entry.channels * (1 + len(self.sizes)), target.channels, build, act=op["act"])

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(torch.cat([x, *(functional.max_pool2d(x, size, 1, size // 2) for size in self.sizes)], 1))


def spp_cost(op: Op, entry: MapSpec, target: MapSpec, tally: Tally) -> None:
    """What the convolution costs, and the pools' memory."""
    channels, pixels = entry.channels * (1 + len(op["sizes"])), tally.pixels(target.level)
    tally.write(channels, pixels, copies=2)
    tally.conv(channels, target.channels, pixels, norm=True)
