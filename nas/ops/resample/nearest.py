"""The edge that changes the level and has no weights."""

from torch import Tensor, nn

from nas.ops.common import Build, MapSpec, Size
from nas.ops.pool import move, tile_pool
from search_spaces.ops import Op


class Nearest(nn.Module):
    """Repeat pixels to a finer level or max-pool to a coarser one; channels stay.

    Pools overlap, 3x3 of stride 2, once a level; or tile the map in one step (NAS-FPN, arXiv 1904.07392).
    """

    def __init__(self, op: Op, source: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()
        self.levels = source.level, target.level
        self.tiles = op["down"] == "tiles"

    def forward(self, x: Tensor, size: Size) -> Tensor:
        if self.tiles and self.levels[1] > self.levels[0]:
            return tile_pool(x, self.levels[1] - self.levels[0])
        return move(x, *self.levels, size)
