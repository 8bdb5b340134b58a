"""Table of stems by name."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nas.deferred import deferred
from nas.ops.maps import MapSpec
from nas.ops.stem.cost import darknet_stem_cost, mobilenet_stem_cost, resnet_stem_cost
from nas.ops.tally import Tally
from search_spaces.ops import Op

if TYPE_CHECKING:
    from torch import nn

    from nas.ops.common import Build


class Stem(NamedTuple):
    """Builder and cost formula of a stem; the formula also takes the stem's output maps."""

    build: "Callable[[Op, Build], nn.Module]"
    cost: Callable[[Op, Sequence[MapSpec], Tally], None]


STEMS: dict[str, Stem] = {
    "resnet_stem": Stem(deferred("nas.ops.stem.resnet:ResnetStem"), resnet_stem_cost),
    "darknet_stem": Stem(deferred("nas.ops.stem.darknet:DarknetStem"), darknet_stem_cost),
    "mobilenet_stem": Stem(deferred("nas.ops.stem.mobilenet:MobilenetStem"), mobilenet_stem_cost),
    "timm": Stem(deferred("nas.ops.stem.timm:TimmStem"), deferred("nas.ops.stem.timm:timm_cost")),
}
