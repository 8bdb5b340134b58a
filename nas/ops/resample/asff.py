"""The edges of ASFF: resizing to another level (arXiv 1911.09516, section 3.2)."""

from torch import Tensor, nn
from torch.nn import functional

from nas.ops.common import Build, conv_norm
from nas.ops.maps import MapSpec, Size
from nas.ops.pool import move
from search_spaces.ops import Op


class AsffResample(nn.Module):
    """To a finer level: a 1x1 convolution if the channels differ, then nearest neighbour.

    To a coarser level: 3x3 max pools of stride 2 for all but the last step, padded on both sides, then a 3x3
    convolution of stride 2. At the same level: the 1x1 convolution, if any. Norm and activation follow each one.
    """

    def __init__(self, op: Op, source: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()
        self.levels = source.level, target.level
        down = target.level > source.level
        self.pools = max(0, target.level - source.level - 1)
        layer = conv_norm(
            source.channels, target.channels, build, kernel=3 if down else 1, stride=1 + down, act=op["act"]
        )
        self.conv = layer if down or source.channels != target.channels else nn.Identity()

    def forward(self, x: Tensor, size: Size) -> Tensor:
        for _ in range(self.pools):
            x = functional.max_pool2d(x, 3, 2, 1)
        x = self.conv(x)
        return move(x, *self.levels, size) if self.levels[1] < self.levels[0] else x
