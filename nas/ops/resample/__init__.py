"""Edge operators by name."""

from collections.abc import Callable

from torch import nn

from nas.ops.common import Build, MapSpec
from nas.ops.resample.asff import AsffResample
from nas.ops.resample.identity import Identity
from nas.ops.resample.lateral import Lateral
from nas.ops.resample.nearest import Nearest
from nas.ops.resample.spinenet import SpineNetResample
from search_spaces.ops import Op

RESAMPLES: dict[str, Callable[[Op, MapSpec, MapSpec, Build], nn.Module]] = {
    "identity": Identity,
    "nearest": Nearest,
    "lateral": Lateral,
    "spinenet": SpineNetResample,
    "asff_resample": AsffResample,
}
