"""The MobileNetV2 stem: one 3x3 convolution of stride 2 (MobileNetV2, arXiv 1801.04381, Table 2)."""

from torch import Tensor, nn

from nas.ops.common import Build, conv_norm
from search_spaces.ops import Op


class MobilenetStem(nn.Module):
    """(N, 3, H, W) -> [(N, width, H/2, W/2)], sizes rounded up."""

    def __init__(self, op: Op, build: Build) -> None:
        super().__init__()
        width = max(1, int(op["width"] * build.scale.stem))
        self.conv = conv_norm(3, width, build, kernel=3, stride=2, act="relu6")

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.conv(x)]
