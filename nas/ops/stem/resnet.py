"""The ResNet stem: a 7x7 convolution and a 3x3 max pool, to level 2 (arXiv 1512.03385, Table 1)."""

from collections.abc import Sequence

from torch import Tensor, nn

from nas.ops.common import Build, MapSpec, conv_norm
from nas.ops.pool import max_pool
from nas.ops.tally import Tally
from search_spaces.ops import Op


class SamePool(nn.Module):
    """3x3 max pool of stride 2 under TensorFlow's padding."""

    def forward(self, x: Tensor) -> Tensor:
        return max_pool(x)


class ResnetStem(nn.Module):
    """(N, 3, H, W) -> [(N, width, H/4, W/4)], sizes rounded up.

    The pool pads as TensorFlow does (SpineNet), or symmetrically as in torchvision's ResNet; only even sides differ.
    """

    def __init__(self, op: Op, build: Build) -> None:
        super().__init__()
        width = max(1, int(op["width"] * build.scale.stem))
        self.conv = conv_norm(3, width, build, kernel=7, stride=2, act=op["act"], padding=op["padding"])
        self.pool = nn.MaxPool2d(3, 2, 1) if op["pool"] == "symmetric" else SamePool()

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.pool(self.conv(x))]


def resnet_stem_cost(op: Op, maps: Sequence[MapSpec], tally: Tally) -> None:
    """What the convolution costs, and the pool's map."""
    tally.conv(3, maps[0].channels, tally.pixels(1), kernel=7, norm=True)
    tally.pool(maps[0].channels, tally.pixels(2))
