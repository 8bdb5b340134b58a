"""Cost formulas of the stems."""

from collections.abc import Sequence

from nas.ops.maps import MapSpec
from nas.ops.tally import Tally
from search_spaces.ops import Op


def resnet_stem_cost(op: Op, maps: Sequence[MapSpec], tally: Tally) -> None:
    """Cost of the convolution, and the pool's map."""
    tally.conv(3, maps[0].channels, tally.pixels(1), kernel=7, norm=True)
    tally.pool(maps[0].channels, tally.pixels(2))


def darknet_stem_cost(op: Op, maps: Sequence[MapSpec], tally: Tally) -> None:
    """Cost of the convolution."""
    tally.conv(3, maps[0].channels, tally.pixels(0), kernel=3, norm=True)


def mobilenet_stem_cost(op: Op, maps: Sequence[MapSpec], tally: Tally) -> None:
    """Cost of the convolution."""
    tally.conv(3, maps[0].channels, tally.pixels(1), kernel=3, norm=True)
