"""Plain summation."""

from collections.abc import Sequence

from torch import Tensor, nn

from nas.ops.common import Build, activation
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


class Sum(nn.Module):
    """N maps (B, C, H, W) -> their sum, activated."""

    def __init__(self, op: Op, inputs: Sequence[MapSpec], build: Build) -> None:
        super().__init__()
        self.act = activation(op["act"], inplace=len(inputs) > 1)  # other nodes may read a single input

    def forward(self, maps: list[Tensor]) -> Tensor:
        total = maps[0]
        for x in maps[1:]:
            total = total + x
        return self.act(total)
