"""The lateral connection of an FPN (arXiv 1612.03144, section 3)."""

from torch import Tensor, nn

from nas.ops.common import Build, MapSpec, Size, conv_norm
from nas.ops.pool import move, move_cost
from nas.ops.tally import Tally
from search_spaces.ops import Op


class Lateral(nn.Module):
    """1x1 convolution to the target's channels, biased if no norm follows; then resampling without weights."""

    def __init__(self, op: Op, source: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()
        self.levels = source.level, target.level
        normed = op["norm"] == "batch"
        self.conv = (
            conv_norm(source.channels, target.channels, build, bias=op["bias"])
            if normed
            else nn.Conv2d(source.channels, target.channels, 1)
        )

    def forward(self, x: Tensor, size: Size) -> Tensor:
        return move(self.conv(x), *self.levels, size)


def lateral_cost(op: Op, source: MapSpec, target: MapSpec, tally: Tally) -> None:
    """What the convolution costs, and the maps on the way to the level."""
    normed = op["norm"] == "batch"
    pixels = tally.pixels(source.level)
    tally.conv(source.channels, target.channels, pixels, bias=op["bias"] or not normed, norm=normed)
    move_cost(target.channels, source.level, target.level, tally)
