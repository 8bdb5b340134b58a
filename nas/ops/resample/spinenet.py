"""SpineNet's resampling of a cross-scale connection (arXiv 1912.05027, section 3.1, Figure 3)."""

from torch import Tensor, nn

from nas.ops.common import Build, conv_norm
from nas.ops.maps import MapSpec, Size
from nas.ops.pool import max_pool, move
from nas.ops.resample.cost import pool_strides, squeezed_channels
from search_spaces.ops import Op


class SpineNetResample(nn.Module):
    """Squeeze to alpha times the source's width, change the level, widen to the target's channels.

    Down: a stride-2 convolution, then max pools for the remaining levels. Up: nearest neighbour. No activation at the
    end: it follows the fusion. The two official codes compute different functions, selected by `padding`:
    "symmetric" (the paper's TPU release) pads the convolution at both ends and max-pools by 4 at once, "same"
    (tf-models) pads an even side at its end and max-pools by 2 repeatedly.
    """

    def __init__(self, op: Op, source: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()
        squeezed, act, padding = squeezed_channels(source, build.scale), op["act"], op["padding"]
        down = target.level > source.level
        self.squeeze = conv_norm(source.channels, squeezed, build, act=act)
        self.down = (
            conv_norm(squeezed, squeezed, build, kernel=3, stride=2, act=act, padding=padding)
            if down
            else nn.Identity()
        )
        self.pools = pool_strides(target.level - source.level - 1, padding)
        self.levels = max(source.level, target.level), target.level
        self.widen = conv_norm(squeezed, target.channels, build)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        x = self.down(self.squeeze(x))
        for stride in self.pools:
            x = max_pool(x, stride + 1, stride)
        return self.widen(move(x, *self.levels, size))
