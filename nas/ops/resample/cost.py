"""Cost formulas of the edge operators."""

from nas.ops.maps import MapSpec
from nas.ops.tally import Tally
from search_spaces.genotype import Scale
from search_spaces.ops import Op


def identity_cost(op: Op, source: MapSpec, target: MapSpec, tally: Tally) -> None:
    """No cost."""


def nearest_cost(op: Op, source: MapSpec, target: MapSpec, tally: Tally) -> None:
    """Cost of the maps it writes; `skip` writes none."""
    if op["down"] == "pool" or target.level < source.level:
        move_cost(source.channels, source.level, target.level, tally)
    elif op["down"] == "tiles" and target.level > source.level:
        tally.pool(source.channels, tally.pixels(target.level))


def lateral_cost(op: Op, source: MapSpec, target: MapSpec, tally: Tally) -> None:
    """Cost of the convolution and of the intermediate maps."""
    normed = op["norm"] == "batch"
    pixels = tally.pixels(source.level)
    tally.conv(source.channels, target.channels, pixels, bias=op["bias"] or not normed, norm=normed)
    move_cost(target.channels, source.level, target.level, tally)


def spinenet_resample_cost(op: Op, source: MapSpec, target: MapSpec, tally: Tally) -> None:
    """Cost of the convolutions and of the intermediate maps."""
    squeezed, level = squeezed_channels(source, tally.scale), source.level
    tally.conv(source.channels, squeezed, tally.pixels(level), norm=True)
    if target.level > level:
        level += 1
        tally.conv(squeezed, squeezed, tally.pixels(level), kernel=3, norm=True)
    for stride in pool_strides(target.level - level, op["padding"]):
        level += stride // 2
        tally.pool(squeezed, tally.pixels(level))
    move_cost(squeezed, level, target.level, tally)
    tally.conv(squeezed, target.channels, tally.pixels(target.level), norm=True)


def pool_strides(levels: int, padding: str) -> tuple[int, ...]:
    """Strides of the max pools that go `levels` coarser; each kernel is one larger than its stride.

    Published networks go at most three levels, so more than one pool of 4 is this project's extension.
    """
    if padding == "same":
        return (2,) * levels
    return (4,) * (levels // 2) + (2,) * (levels % 2) if levels > 0 else ()


def squeezed_channels(source: MapSpec, scale: Scale) -> int:
    """Channels inside the edge, after the squeeze."""
    return max(1, int(source.width * scale.alpha))


def asff_resample_cost(op: Op, source: MapSpec, target: MapSpec, tally: Tally) -> None:
    """Cost of the convolution and of the intermediate maps."""
    if target.level > source.level:
        move_cost(source.channels, source.level, target.level - 1, tally)
        tally.conv(source.channels, target.channels, tally.pixels(target.level), kernel=3, norm=True)
        return
    if source.channels != target.channels:
        tally.conv(source.channels, target.channels, tally.pixels(source.level), norm=True)
    move_cost(target.channels, source.level, target.level, tally)


def move_cost(channels: int, from_level: int, to_level: int, tally: Tally) -> None:
    """Cost of the maps that `move` writes; a map that it crops is live as a whole."""
    for level in range(from_level + 1, to_level + 1):
        tally.pool(channels, tally.pixels(level))
    if to_level < from_level:
        tally.write(channels, (tally.side(from_level) * 2 ** (from_level - to_level)) ** 2)
