"""Spatial pyramid pooling (arXiv 1406.4729) as in YOLOv3-SPP, followed by a convolution."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.ops.common import Build, conv_norm
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


class Spp(nn.Module):
    """Concatenate the map and its max pools of each size at stride 1; then 1x1 convolution, norm, activation."""

    def __init__(self, op: Op, entry: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()
        self.sizes: tuple[int, ...] = op["sizes"]
        self.conv = conv_norm(entry.channels * (1 + len(self.sizes)), target.channels, build, act=op["act"])

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(torch.cat([x, *(functional.max_pool2d(x, size, 1, size // 2) for size in self.sizes)], 1))
