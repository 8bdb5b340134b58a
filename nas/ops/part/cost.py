"""Cost formulas of the modules inside other operators."""

from collections.abc import Sequence

from nas.ops.maps import MapSpec
from nas.ops.tally import Tally
from search_spaces.ops import Op

DEFORMABLE_KERNEL = 3
MIN_HIDDEN = 4
"""Minimum of a module's hidden channels, for small scales; published sizes are larger."""


def deformable_cost(channels: int, pixels: int, tally: Tally) -> None:
    """Cost of a channel-preserving deformable convolution, its offsets and its norm."""
    with tally.kept():
        tally.conv(channels, 2 * DEFORMABLE_KERNEL**2, pixels, kernel=DEFORMABLE_KERNEL, bias=True)
        tally.conv(channels, channels, pixels, kernel=DEFORMABLE_KERNEL, norm=True)


def msfm_cost(op: Op, channels: int, level: int, tally: Tally) -> None:
    """Cost of the module on maps of a level."""
    hidden, scales, pixels = hidden_channels(op, channels), op["scales"], tally.pixels(level)
    merged = hidden * len(scales) if op["fusion"] == "cat" else hidden
    with tally.kept():
        tally.conv(channels, hidden, pixels, bias=True, norm=True)
        for scale in scales:
            for _ in range(branch_depth(op, scale)):
                tally.conv(hidden, hidden, inner_side(tally.side(level), scale) ** 2, kernel=3, bias=True, norm=True)
        tally.write(hidden * len(scales), pixels, copies=2)
        tally.conv(merged, channels, pixels, bias=True, norm=True)


def hidden_channels(op: Op, channels: int) -> int:
    return max(MIN_HIDDEN, channels // op["ratio"])


def inner_side(side: int, scale: float) -> int:
    return max(1, round(side * scale))


def branch_depth(op: Op, scale: float) -> int:
    """Convolutions of a branch; `enlarging` is the 2* of the paper's Table 2."""
    return 1 if op["deepen"] == "enlarging" and scale <= 1 else op["convs"]


def pyramid_cost(op: Op, maps: Sequence[MapSpec], tally: Tally) -> None:
    """Cost of a pyramid's attentions; all scores of a level are live at once."""
    for channels, pixels in ((m.channels, tally.pixels(m.level)) for m in maps if m.level >= op["min_level"]):
        narrow = narrow_channels(channels, op["reduction"])
        for made in (narrow, narrow, channels):
            tally.conv(channels, made, pixels, bias=True)
        tally.product(pixels, narrow, pixels)
        tally.product(pixels, pixels, channels)
        tally.weights(1)


def narrow_channels(channels: int, reduction: int) -> int:
    return max(1, channels // reduction)
