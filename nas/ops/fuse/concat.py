"""Concatenation of channels, in the order of the inputs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.ops.common import Build, activation
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


class Concat(nn.Module):
    """N maps (B, C_i, H, W) -> (B, sum of C_i, H, W), activated."""

    def __init__(self, op: Op, inputs: Sequence[MapSpec], build: Build) -> None:
        super().__init__()
        self.act = activation(op["act"])

    def forward(self, maps: list[Tensor]) -> Tensor:
        return self.act(torch.cat(maps, 1))
