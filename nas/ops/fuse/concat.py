"""Concatenation of channels, in the order of the inputs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.ops.common import Build, MapSpec, activation
from nas.ops.tally import Tally
from search_spaces.ops import Op


class Concat(nn.Module):
    """N maps (B, C_i, H, W) -> (B, sum of C_i, H, W), activated."""

    def __init__(self, op: Op, inputs: Sequence[MapSpec], build: Build) -> None:
        super().__init__()
        self.act = activation(op["act"])

    def forward(self, maps: list[Tensor]) -> Tensor:
        return self.act(torch.cat(maps, 1))


def concat_cost(op: Op, inputs: Sequence[MapSpec], tally: Tally) -> None:
    """The map that holds them all."""
    tally.write(sum(m.channels for m in inputs), tally.pixels(inputs[0].level))
