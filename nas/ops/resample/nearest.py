"""The edge that changes the level and has no weights."""

from torch import Tensor, nn

from nas.ops.common import Build, MapSpec, Size
from nas.ops.pool import move
from search_spaces.ops import Op


class Nearest(nn.Module):
    """Repeat pixels to a finer level; max-pool to a coarser one, or skip pixels, as FPN does above its top.

    Skipping is a max pool with a kernel of one (Detectron's P6; arXiv 1612.03144, section 4.1). Channels stay.
    """

    def __init__(self, op: Op, source: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()
        self.levels = source.level, target.level
        self.step = 2 ** max(0, target.level - source.level) if op["down"] == "skip" else 1

    def forward(self, x: Tensor, size: Size) -> Tensor:
        if self.step > 1:
            return x[..., :: self.step, :: self.step]
        return move(x, *self.levels, size)
