"""The bottleneck block (ResNet, arXiv 1512.03385, Figure 5 right), optionally deformable or with MSFM modules."""

from torch import nn

from nas.ops.block.residual import ResidualUnit, stochastic_depth
from nas.ops.common import Build, activation, conv_norm
from nas.ops.deformable import DeformableConv
from nas.ops.maps import MapSpec
from nas.ops.part.msfm import Msfm
from search_spaces.ops import Op


def bottleneck(op: Op, entry: MapSpec, target: MapSpec, build: Build) -> nn.Module:
    """`repeats` units of 1x1, 3x3 and 1x1 convolutions to four times the width.

    The first unit's 3x3 convolution has stride 2 if the block enters at the next finer level. A module at position p
    follows the p-th convolution, its norm and its activation.
    """
    modules = {part["position"]: part for part in op["msfm"]}
    width, act = target.width, op["act"]
    units = []
    for i in range(op["repeats"] * build.scale.repeats):
        channels, stride = (target.channels, 1) if i else (entry.channels, 2 ** (target.level - entry.level))
        layers: list[nn.Module] = []
        for position, layer in enumerate(
            (
                conv_norm(channels, width, build, act=act),
                _middle(op, width, stride, build),
                conv_norm(width, target.channels, build),
            ),
            1,
        ):
            layers.append(layer)
            if position in modules:
                layers.append(Msfm(modules[position], width if position < 3 else target.channels))
        layers += stochastic_depth(op)
        units.append(ResidualUnit(nn.Sequential(*layers), channels, target.channels, stride, act, build))
    return nn.Sequential(*units)


def _middle(op: Op, width: int, stride: int, build: Build) -> nn.Sequential:
    """The 3x3 convolution with its norm and activation."""
    if not op["deformable"]:
        return conv_norm(width, width, build, kernel=3, stride=stride, act=op["act"])
    return nn.Sequential(DeformableConv(width, width, stride), build.norm(width), activation(op["act"]))
