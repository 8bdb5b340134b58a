"""The ResNet stem: a 7x7 convolution and a 3x3 max pool, to level 2 (arXiv 1512.03385, Table 1)."""

from torch import Tensor, nn

from nas.ops.common import Build, conv_norm
from nas.ops.pool import max_pool
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
