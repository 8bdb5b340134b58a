"""Fusions by name."""

from collections.abc import Callable, Sequence

from torch import nn

from nas.ops.common import Build, MapSpec
from nas.ops.fuse.asff import Asff
from nas.ops.fuse.attention import Attention
from nas.ops.fuse.concat import Concat
from nas.ops.fuse.fast import FastNormalised
from nas.ops.fuse.sum import Sum
from search_spaces.ops import Op

FUSES: dict[str, Callable[[Op, Sequence[MapSpec], Build], nn.Module]] = {
    "sum": Sum,
    "fast": FastNormalised,
    "asff": Asff,
    "attention": Attention,
    "concat": Concat,
}
