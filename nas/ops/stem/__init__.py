"""Stems by name."""

from collections.abc import Callable

from torch import nn

from nas.ops.common import Build
from nas.ops.stem.darknet import DarknetStem
from nas.ops.stem.mobilenet import MobilenetStem
from nas.ops.stem.resnet import ResnetStem
from nas.ops.stem.timm import TimmStem
from search_spaces.ops import Op

STEMS: dict[str, Callable[[Op, Build], nn.Module]] = {
    "resnet_stem": ResnetStem,
    "darknet_stem": DarknetStem,
    "mobilenet_stem": MobilenetStem,
    "timm": TimmStem,
}
