"""The basic residual block (ResNet, arXiv 1512.03385, Figure 5 left)."""

from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from nas.ops.common import Build, activation, conv_norm
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


class ResidualUnit(nn.Module):
    """act(shortcut(x) + body(x)); the shortcut is a 1x1 convolution if channels or stride change, else the identity."""

    def __init__(
        self, body: nn.Module, channels_in: int, channels_out: int, stride: int, act: str, build: Build
    ) -> None:
        super().__init__()
        self.body = body
        same = channels_in == channels_out and stride == 1
        self.shortcut = nn.Identity() if same else conv_norm(channels_in, channels_out, build, stride=stride)
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.body(x) + self.shortcut(x))


def stochastic_depth(op: Op) -> list[nn.Module]:
    """Stochastic depth (arXiv 1603.09382) at the end of a body, if the operator's `drop` is positive.

    In training, kept samples are scaled by 1 / (1 - rate), so that evaluation needs no scaling.
    """
    return [StochasticDepth(op["drop"], "row")] if op["drop"] else []


def residual(op: Op, entry: MapSpec, target: MapSpec, build: Build) -> nn.Module:
    """`repeats` units of two 3x3 convolutions; the first has stride 2 if it enters at the next finer level."""
    units = []
    for i in range(op["repeats"] * build.scale.repeats):
        channels, stride = (target.channels, 1) if i else (entry.channels, 2 ** (target.level - entry.level))
        body = nn.Sequential(
            conv_norm(channels, target.width, build, kernel=3, stride=stride, act=op["act"]),
            conv_norm(target.width, target.channels, build, kernel=3),
            *stochastic_depth(op),
        )
        units.append(ResidualUnit(body, channels, target.channels, stride, op["act"], build))
    return nn.Sequential(*units)
