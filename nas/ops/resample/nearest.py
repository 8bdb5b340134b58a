"""The edge that changes the level and has no weights."""

from torch import Tensor, nn

from nas.ops.common import Build, MapSpec, Size
from nas.ops.pool import move
from search_spaces.ops import Op


class Nearest(nn.Module):
    """Repeat pixels to a finer level or max-pool to a coarser one; channels stay."""

    def __init__(self, op: Op, source: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()
        self.levels = source.level, target.level

    def forward(self, x: Tensor, size: Size) -> Tensor:
        return move(x, *self.levels, size)
