"""Table of blocks by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from nas.deferred import deferred
from nas.ops.block.cost import (
    bottleneck_cost,
    conv_cost,
    darknet_cost,
    inverted_cost,
    nothing_cost,
    residual_cost,
    rfb_cost,
    separable_cost,
    spp_cost,
)
from nas.ops.maps import MapSpec
from nas.ops.tally import Tally
from search_spaces.ops import Op

if TYPE_CHECKING:
    from torch import nn

    from nas.ops.common import Build


class Block(NamedTuple):
    """Builder and cost formula of a block."""

    build: "Callable[[Op, MapSpec, MapSpec, Build], nn.Module]"
    cost: Callable[[Op, MapSpec, MapSpec, Tally], None]


BLOCKS: dict[str, Block] = {
    "none": Block(deferred("nas.ops.block.none:nothing"), nothing_cost),
    "residual": Block(deferred("nas.ops.block.residual:residual"), residual_cost),
    "bottleneck": Block(deferred("nas.ops.block.bottleneck:bottleneck"), bottleneck_cost),
    "conv": Block(deferred("nas.ops.block.conv:Conv"), conv_cost),
    "separable": Block(deferred("nas.ops.block.separable:separable"), separable_cost),
    "darknet": Block(deferred("nas.ops.block.darknet:darknet"), darknet_cost),
    "inverted": Block(deferred("nas.ops.block.inverted:inverted"), inverted_cost),
    "spp": Block(deferred("nas.ops.block.spp:Spp"), spp_cost),
    "rfb": Block(deferred("nas.ops.block.rfb:rfb"), rfb_cost),
    "dropblock": Block(deferred("nas.ops.block.dropblock:DropBlock"), nothing_cost),
}
