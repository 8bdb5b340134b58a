"""Fusions by name."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import nn

from nas.ops.common import Build, MapSpec
from nas.ops.fuse.asff import Asff, asff_cost
from nas.ops.fuse.attention import Attention, attention_cost
from nas.ops.fuse.concat import Concat, concat_cost
from nas.ops.fuse.fast import FastNormalised, fast_cost
from nas.ops.fuse.sum import Sum, sum_cost
from nas.ops.tally import Tally
from search_spaces.ops import Op


class Fuse(NamedTuple):
    """How a fusion is built, and what it costs."""

    build: Callable[[Op, Sequence[MapSpec], Build], nn.Module]
    cost: Callable[[Op, Sequence[MapSpec], Tally], None]


FUSES: dict[str, Fuse] = {
    "sum": Fuse(Sum, sum_cost),
    "fast": Fuse(FastNormalised, fast_cost),
    "asff": Fuse(Asff, asff_cost),
    "attention": Fuse(Attention, attention_cost),
    "concat": Fuse(Concat, concat_cost),
}
