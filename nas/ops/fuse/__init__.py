"""Table of fuse operators by name."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nas.deferred import deferred
from nas.ops.fuse.cost import asff_cost, attention_cost, concat_cost, fast_cost, sum_cost
from nas.ops.maps import MapSpec
from nas.ops.tally import Tally
from search_spaces.ops import Op

if TYPE_CHECKING:
    from torch import nn

    from nas.ops.common import Build


class Fuse(NamedTuple):
    """Builder and cost formula of a fuse operator."""

    build: "Callable[[Op, Sequence[MapSpec], Build], nn.Module]"
    cost: Callable[[Op, Sequence[MapSpec], Tally], None]


FUSES: dict[str, Fuse] = {
    "sum": Fuse(deferred("nas.ops.fuse.sum:Sum"), sum_cost),
    "fast": Fuse(deferred("nas.ops.fuse.fast:FastNormalised"), fast_cost),
    "asff": Fuse(deferred("nas.ops.fuse.asff:Asff"), asff_cost),
    "attention": Fuse(deferred("nas.ops.fuse.attention:Attention"), attention_cost),
    "concat": Fuse(deferred("nas.ops.fuse.concat:Concat"), concat_cost),
}
