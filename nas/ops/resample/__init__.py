"""Edge operators by name."""

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from nas.ops.common import Build, MapSpec
from nas.ops.resample.asff import AsffResample, asff_resample_cost
from nas.ops.resample.identity import Identity, identity_cost
from nas.ops.resample.lateral import Lateral, lateral_cost
from nas.ops.resample.nearest import Nearest, nearest_cost
from nas.ops.resample.spinenet import SpineNetResample, spinenet_resample_cost
from nas.ops.tally import Tally
from search_spaces.ops import Op


class Resample(NamedTuple):
    """How an edge operator is built, and what it costs."""

    build: Callable[[Op, MapSpec, MapSpec, Build], nn.Module]
    cost: Callable[[Op, MapSpec, MapSpec, Tally], None]


RESAMPLES: dict[str, Resample] = {
    "identity": Resample(Identity, identity_cost),
    "nearest": Resample(Nearest, nearest_cost),
    "lateral": Resample(Lateral, lateral_cost),
    "spinenet": Resample(SpineNetResample, spinenet_resample_cost),
    "asff_resample": Resample(AsffResample, asff_resample_cost),
}
