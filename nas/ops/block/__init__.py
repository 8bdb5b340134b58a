"""Blocks by name."""

from collections.abc import Callable

from torch import nn

from nas.ops.block.bottleneck import bottleneck
from nas.ops.block.conv import Conv
from nas.ops.block.darknet import darknet
from nas.ops.block.dropblock import DropBlock
from nas.ops.block.inverted import inverted
from nas.ops.block.none import nothing
from nas.ops.block.residual import residual
from nas.ops.block.rfb import rfb
from nas.ops.block.separable import separable
from nas.ops.block.spp import Spp
from nas.ops.common import Build, MapSpec
from search_spaces.ops import Op

BLOCKS: dict[str, Callable[[Op, MapSpec, MapSpec, Build], nn.Module]] = {
    "none": nothing,
    "residual": residual,
    "bottleneck": bottleneck,
    "conv": Conv,
    "separable": separable,
    "darknet": darknet,
    "inverted": inverted,
    "spp": Spp,
    "rfb": rfb,
    "dropblock": DropBlock,
}
