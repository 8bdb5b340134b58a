"""Stems by name."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import nn

from nas.ops.common import Build, MapSpec
from nas.ops.stem.darknet import DarknetStem, darknet_stem_cost
from nas.ops.stem.mobilenet import MobilenetStem, mobilenet_stem_cost
from nas.ops.stem.resnet import ResnetStem, resnet_stem_cost
from nas.ops.stem.timm import TimmStem, timm_cost
from nas.ops.tally import Tally
from search_spaces.ops import Op


class Stem(NamedTuple):
    """How a stem is built, and what it costs, given the maps it makes."""

    build: Callable[[Op, Build], nn.Module]
    cost: Callable[[Op, Sequence[MapSpec], Tally], None]


STEMS: dict[str, Stem] = {
    "resnet_stem": Stem(ResnetStem, resnet_stem_cost),
    "darknet_stem": Stem(DarknetStem, darknet_stem_cost),
    "mobilenet_stem": Stem(MobilenetStem, mobilenet_stem_cost),
    "timm": Stem(TimmStem, timm_cost),
}
