"""The identity block, of a node that only fuses."""

from torch import nn

from nas.ops.common import Build, MapSpec
from nas.ops.tally import Tally
from search_spaces.ops import Op


def nothing(op: Op, entry: MapSpec, target: MapSpec, build: Build) -> nn.Module:
    """The fused map, unchanged."""
    return nn.Identity()


def nothing_cost(op: Op, entry: MapSpec, target: MapSpec, tally: Tally) -> None:
    """It costs nothing; nor does an operator that only acts in training."""
