"""A darknet stage (YOLOv3, arXiv 1804.02767, Table 1): a 3x3 convolution, then residual pairs 1x1 and 3x3."""

from torch import Tensor, nn

from nas.ops.common import Build, conv_norm
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


class DarknetUnit(nn.Module):
    """x + conv3x3(conv1x1(x)), without an activation after the sum."""

    def __init__(self, channels: int, build: Build) -> None:
        super().__init__()
        half = max(1, channels // 2)
        self.body = nn.Sequential(
            conv_norm(channels, half, build, act="leaky_relu"),
            conv_norm(half, channels, build, kernel=3, act="leaky_relu"),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def darknet(op: Op, entry: MapSpec, target: MapSpec, build: Build) -> nn.Module:
    """The convolution (stride 2 if it enters at the next finer level) and `repeats` residual units."""
    stride = 2 ** (target.level - entry.level)
    first = conv_norm(entry.channels, target.channels, build, kernel=3, stride=stride, act="leaky_relu")
    units = [DarknetUnit(target.channels, build) for _ in range(op["repeats"] * build.scale.repeats)]
    return nn.Sequential(first, *units)
