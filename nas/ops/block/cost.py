"""Cost formulas of the blocks."""

from nas.ops.maps import MapSpec
from nas.ops.part.cost import deformable_cost, msfm_cost
from nas.ops.tally import Tally
from search_spaces.ops import Op

BRANCHES: tuple[tuple[tuple[int, int], ...], ...] = (
    ((1, 1),),
    ((1, 1), (3, 1)),
    ((1, 1), (3, 1), (3, 2)),
    ((1, 1), (5, 1), (3, 3)),
)
"""(kernel, dilation) of each convolution of each branch."""


def nothing_cost(op: Op, entry: MapSpec, target: MapSpec, tally: Tally) -> None:
    """No cost, as of any operator that acts in training only."""


def residual_cost(op: Op, entry: MapSpec, target: MapSpec, tally: Tally) -> None:
    """Cost of the units."""
    pixels = tally.pixels(target.level)
    for i in range(op["repeats"] * tally.scale.repeats):
        before = target if i else entry
        with tally.kept():
            tally.conv(before.channels, target.width, pixels, kernel=3, norm=True)
            tally.conv(target.width, target.channels, pixels, kernel=3, norm=True)
            shortcut_cost(before, target, tally)


def shortcut_cost(before: MapSpec, target: MapSpec, tally: Tally) -> None:
    """Cost of the shortcut of a unit."""
    if (before.channels, before.level) != (target.channels, target.level):
        tally.conv(before.channels, target.channels, tally.pixels(target.level), norm=True)


def bottleneck_cost(op: Op, entry: MapSpec, target: MapSpec, tally: Tally) -> None:
    """Cost of the units and their modules."""
    modules = {part["position"]: part for part in op["msfm"]}
    width, level = target.width, target.level
    for i in range(op["repeats"] * tally.scale.repeats):
        before = target if i else entry
        layers = (before.channels, width, before.level, 1), (width, width, level, 3), (width, target.channels, level, 1)
        with tally.kept():
            for position, (read, written, at, kernel) in enumerate(layers, 1):
                if position == 2 and op["deformable"]:
                    deformable_cost(width, tally.pixels(at), tally)
                else:
                    tally.conv(read, written, tally.pixels(at), kernel=kernel, norm=True)
                if position in modules:
                    msfm_cost(modules[position], written, at, tally)
            shortcut_cost(before, target, tally)


def conv_cost(op: Op, entry: MapSpec, target: MapSpec, tally: Tally) -> None:
    """Cost of the convolution and its norm."""
    normed = op["norm"] == "batch"
    if op["act_first"]:
        tally.write(entry.channels, tally.pixels(entry.level))
    tally.conv(
        entry.channels,
        target.channels,
        tally.pixels(target.level),
        kernel=op["kernel"],
        bias=op["bias"] or not normed,
        norm=normed,
    )


def separable_cost(op: Op, entry: MapSpec, target: MapSpec, tally: Tally) -> None:
    """Cost of both convolutions and the norm."""
    channels, pixels = entry.channels, tally.pixels(target.level)
    tally.conv(channels, channels, pixels, kernel=op["kernel"], groups=channels)
    tally.conv(channels, target.channels, pixels, bias=op["bias"], norm=True)


def darknet_cost(op: Op, entry: MapSpec, target: MapSpec, tally: Tally) -> None:
    """Cost of the stage."""
    channels, pixels = target.channels, tally.pixels(target.level)
    half = max(1, channels // 2)
    tally.conv(entry.channels, channels, pixels, kernel=3, norm=True)
    for _ in range(op["repeats"] * tally.scale.repeats):
        with tally.kept():
            tally.conv(channels, half, pixels, norm=True)
            tally.conv(half, channels, pixels, kernel=3, norm=True)


def inverted_cost(op: Op, entry: MapSpec, target: MapSpec, tally: Tally) -> None:
    """Cost of the units."""
    pixels = tally.pixels(target.level)
    for i in range(op["repeats"] * tally.scale.repeats):
        before = target if i else entry
        inner = before.channels * op["expand"]
        with tally.kept():
            if inner != before.channels:
                tally.conv(before.channels, inner, tally.pixels(before.level), norm=True)
            tally.conv(inner, inner, pixels, kernel=3, groups=inner, norm=True)
            tally.conv(inner, target.channels, pixels, norm=True)


def spp_cost(op: Op, entry: MapSpec, target: MapSpec, tally: Tally) -> None:
    """Cost of the convolution, and the pools' memory."""
    channels, pixels = entry.channels * (1 + len(op["sizes"])), tally.pixels(target.level)
    tally.write(channels, pixels, copies=2)
    tally.conv(channels, target.channels, pixels, norm=True)


def rfb_cost(op: Op, entry: MapSpec, target: MapSpec, tally: Tally) -> None:
    """Cost of the block."""
    branches_cost(entry.channels, target.channels, tally.pixels(target.level), tally)


def branches_cost(channels_in: int, channels_out: int, pixels: int, tally: Tally) -> None:
    """Cost of the branches; all are live together with their concatenation."""
    for layers, width in zip(BRANCHES, branch_widths(channels_out), strict=True):
        channels = channels_in
        for kernel, _ in layers if width else ():
            tally.conv(channels, width, pixels, kernel=kernel, bias=True)
            channels = width
    tally.write(channels_out, pixels, copies=2)


def branch_widths(channels_out: int) -> list[int]:
    """Output channels of each branch."""
    return [(channels_out + 3 - i) // 4 for i in range(4)]
