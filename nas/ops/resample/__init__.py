"""Table of edge operators by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from nas.deferred import deferred
from nas.ops.maps import MapSpec
from nas.ops.resample.cost import asff_resample_cost, identity_cost, lateral_cost, nearest_cost, spinenet_resample_cost
from nas.ops.tally import Tally
from search_spaces.ops import Op

if TYPE_CHECKING:
    from torch import nn

    from nas.ops.common import Build


class Resample(NamedTuple):
    """Builder and cost formula of an edge operator."""

    build: "Callable[[Op, MapSpec, MapSpec, Build], nn.Module]"
    cost: Callable[[Op, MapSpec, MapSpec, Tally], None]


RESAMPLES: dict[str, Resample] = {
    "identity": Resample(deferred("nas.ops.resample.identity:Identity"), identity_cost),
    "nearest": Resample(deferred("nas.ops.resample.nearest:Nearest"), nearest_cost),
    "lateral": Resample(deferred("nas.ops.resample.lateral:Lateral"), lateral_cost),
    "spinenet": Resample(deferred("nas.ops.resample.spinenet:SpineNetResample"), spinenet_resample_cost),
    "asff_resample": Resample(deferred("nas.ops.resample.asff:AsffResample"), asff_resample_cost),
}
