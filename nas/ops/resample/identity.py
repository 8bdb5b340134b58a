"""The identity edge."""

from torch import Tensor, nn

from nas.ops.common import Build
from nas.ops.maps import MapSpec, Size
from search_spaces.ops import Op


class Identity(nn.Module):
    """(N, C, H, W) -> the same map."""

    def __init__(self, op: Op, source: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()

    def forward(self, x: Tensor, size: Size) -> Tensor:
        return x
