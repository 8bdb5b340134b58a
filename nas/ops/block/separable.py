"""A depthwise separable convolution with its norm (EfficientDet, arXiv 1911.09070, section 3.3)."""

from torch import nn

from nas.ops.common import Build, conv_norm
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


def separable(op: Op, entry: MapSpec, target: MapSpec, build: Build) -> nn.Module:
    """Depthwise (stride 2 if it enters at the next finer level) and pointwise convolution, norm, activation."""
    kernel, stride, channels = op["kernel"], 2 ** (target.level - entry.level), entry.channels
    depthwise = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)
    return nn.Sequential(depthwise, conv_norm(channels, target.channels, build, act=op["act"], bias=op["bias"]))
