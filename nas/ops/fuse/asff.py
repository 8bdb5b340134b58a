"""Adaptively spatial feature fusion: a softmax over the inputs at every pixel (arXiv 1911.09516, section 3.3)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.ops.common import Build, activation, conv_norm
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


class PixelWeights(nn.Module):
    """N maps (B, C, H, W) -> their weights (B, N, H, W), summing to 1 over N.

    A separate module, so that a hook can read the weights: see `nas.inspect.weights`.
    """

    def __init__(self, op: Op, inputs: Sequence[MapSpec], build: Build) -> None:
        super().__init__()
        compress = op["compress"]
        self.compress = nn.ModuleList(conv_norm(m.channels, compress, build, act=op["inner"]) for m in inputs)
        self.score = nn.Conv2d(compress * len(inputs), len(inputs), 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        compressed = [conv(x) for conv, x in zip(self.compress, maps, strict=True)]
        return self.score(torch.cat(compressed, 1)).softmax(1)


class Asff(nn.Module):
    """N maps (B, C, H, W) -> their sum weighted per pixel, activated; the weights are shared by the channels."""

    def __init__(self, op: Op, inputs: Sequence[MapSpec], build: Build) -> None:
        super().__init__()
        self.weights = PixelWeights(op, inputs, build)
        self.act = activation(op["act"])

    def forward(self, maps: list[Tensor]) -> Tensor:
        weights = self.weights(maps).split(1, 1)  # split, as the gradient of each slice would be a padded copy
        total = maps[0] * weights[0]
        for x, weight in zip(maps[1:], weights[1:], strict=True):
            total.addcmul_(x, weight)  # in place: backward does not read the total
        return self.act(total)
