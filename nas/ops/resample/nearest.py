"""Resampling to another level without weights."""

from torch import Tensor, nn

from nas.ops.common import Build
from nas.ops.maps import MapSpec, Size
from nas.ops.pool import move, tile_pool
from search_spaces.ops import Op


class Nearest(nn.Module):
    """Nearest neighbour to a finer level, or one of three ways to a coarser level; channels stay the same.

    `pool`: a 3x3 max pool of stride 2 per level. `tiles`: one max pool over tiles (NAS-FPN, arXiv 1904.07392).
    `skip`: subsampling, a max pool with a kernel of one, as for FPN's coarsest map (arXiv 1612.03144, section 4.1).
    """

    def __init__(self, op: Op, source: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()
        self.levels = source.level, target.level
        self.down = op["down"] if target.level > source.level else "pool"

    def forward(self, x: Tensor, size: Size) -> Tensor:
        steps = self.levels[1] - self.levels[0]
        if self.down == "tiles":
            return tile_pool(x, steps)
        if self.down == "skip":
            return x[..., :: 2**steps, :: 2**steps]
        return move(x, *self.levels, size)
