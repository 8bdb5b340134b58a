"""The identity block, of a node that only fuses."""

from torch import nn

from nas.ops.common import Build
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


def nothing(op: Op, entry: MapSpec, target: MapSpec, build: Build) -> nn.Module:
    """The fused map, unchanged."""
    return nn.Identity()
