"""Plain summation."""

from collections.abc import Sequence

from torch import Tensor, nn

from nas.ops.common import Build, MapSpec, activation
from nas.ops.tally import Tally
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


def sum_cost(op: Op, inputs: Sequence[MapSpec], tally: Tally) -> None:
    """One map for each addition; a lone input is copied only to be activated."""
    for _ in range(len(inputs) - 1 or op["act"] != "none"):
        tally.write(inputs[0].channels, tally.pixels(inputs[0].level))
