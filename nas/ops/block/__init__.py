"""Blocks by name."""

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from nas.ops.block.bottleneck import bottleneck, bottleneck_cost
from nas.ops.block.conv import Conv, conv_cost
from nas.ops.block.darknet import darknet, darknet_cost
from nas.ops.block.dropblock import DropBlock
from nas.ops.block.inverted import inverted, inverted_cost
from nas.ops.block.none import nothing, nothing_cost
from nas.ops.block.residual import residual, residual_cost
from nas.ops.block.rfb import rfb, rfb_cost
from nas.ops.block.separable import separable, separable_cost
from nas.ops.block.spp import Spp, spp_cost
from nas.ops.common import Build, MapSpec
from nas.ops.tally import Tally
from search_spaces.ops import Op


class Block(NamedTuple):
    """How a block is built, and what it costs."""

    build: Callable[[Op, MapSpec, MapSpec, Build], nn.Module]
    cost: Callable[[Op, MapSpec, MapSpec, Tally], None]


BLOCKS: dict[str, Block] = {
    "none": Block(nothing, nothing_cost),
    "residual": Block(residual, residual_cost),
    "bottleneck": Block(bottleneck, bottleneck_cost),
    "conv": Block(Conv, conv_cost),
    "separable": Block(separable, separable_cost),
    "darknet": Block(darknet, darknet_cost),
    "inverted": Block(inverted, inverted_cost),
    "spp": Block(Spp, spp_cost),
    "rfb": Block(rfb, rfb_cost),
    "dropblock": Block(DropBlock, nothing_cost),
}
