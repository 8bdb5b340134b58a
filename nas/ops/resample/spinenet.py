"""SpineNet's resampling of a cross-scale connection (arXiv 1912.05027, section 3.1, Figure 3)."""

from torch import Tensor, nn

from nas.ops.common import Build, MapSpec, Size, conv_norm
from nas.ops.pool import move
from search_spaces.ops import Op


class SpineNetResample(nn.Module):
    """Squeeze to alpha times the source's width, change the level, widen to the target's channels.

    Down: a stride-2 convolution, then max pools for what is left. Up: nearest neighbour. No activation at the end:
    it follows the fusion.
    """

    def __init__(self, op: Op, source: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()
        squeezed = max(1, int(source.width * build.scale.alpha))
        self.squeeze = conv_norm(source.channels, squeezed, build, act=op["act"])
        down = target.level > source.level
        self.down = conv_norm(squeezed, squeezed, build, kernel=3, stride=2, act=op["act"]) if down else nn.Identity()
        self.levels = source.level + down, target.level
        self.widen = conv_norm(squeezed, target.channels, build)
        # a 1x1 convolution, and its norm, commute with repeating pixels: widen first, on the smaller map
        self.widen_first = target.level < source.level

    def forward(self, x: Tensor, size: Size) -> Tensor:
        x = self.down(self.squeeze(x))
        if self.widen_first:
            return move(self.widen(x), *self.levels, size)
        return self.widen(move(x, *self.levels, size))
