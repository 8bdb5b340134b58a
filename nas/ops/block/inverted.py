"""The inverted residual block (MobileNetV2, arXiv 1801.04381, section 3.3)."""

from torch import Tensor, nn

from nas.ops.common import Build, activation, conv_norm
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


class InvertedUnit(nn.Module):
    """Expand by 1x1, 3x3 depthwise, project by 1x1 without activation; a shortcut if input and output shapes agree.

    At expansion 1 the first convolution is left out.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int, op: Op, build: Build) -> None:
        super().__init__()
        inner = channels_in * op["expand"]
        layers = [conv_norm(channels_in, inner, build, act=op["act"])] if inner != channels_in else []
        depthwise = nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False)
        layers.append(nn.Sequential(depthwise, build.norm(inner), activation(op["act"])))
        self.body = nn.Sequential(*layers, conv_norm(inner, channels_out, build))
        self.shortcut = channels_in == channels_out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.shortcut else self.body(x)


def inverted(op: Op, entry: MapSpec, target: MapSpec, build: Build) -> nn.Module:
    """`repeats` units; the first has stride 2 if the block enters at the next finer level."""
    units = []
    for i in range(op["repeats"] * build.scale.repeats):
        channels, stride = (target.channels, 1) if i else (entry.channels, 2 ** (target.level - entry.level))
        units.append(InvertedUnit(channels, target.channels, stride, op, build))
    return nn.Sequential(*units)
