"""The lateral connection of an FPN (arXiv 1612.03144, section 3)."""

from torch import Tensor, nn

from nas.ops.common import Build, conv_norm
from nas.ops.maps import MapSpec, Size
from nas.ops.pool import move
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
