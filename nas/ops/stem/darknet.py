"""The darknet stem: one 3x3 convolution at full resolution (YOLOv3, arXiv 1804.02767, Table 1)."""

from torch import Tensor, nn

from nas.ops.common import Build, conv_norm
from search_spaces.ops import Op


class DarknetStem(nn.Module):
    """(N, 3, H, W) -> [(N, width, H, W)]."""

    def __init__(self, op: Op, build: Build) -> None:
        super().__init__()
        width = max(1, int(op["width"] * build.scale.stem))
        self.conv = conv_norm(3, width, build, kernel=3, act="leaky_relu")

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.conv(x)]
