"""A single convolution with optional norm and activation."""

from torch import Tensor, nn

from nas.ops.common import Build, activation
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


class Conv(nn.Module):
    """Convolution (stride 2 if it enters at the next finer level), norm, activation; `act_first` adds a ReLU before."""

    def __init__(self, op: Op, entry: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()
        kernel, stride, normed = op["kernel"], 2 ** (target.level - entry.level), op["norm"] == "batch"
        self.before = nn.ReLU() if op["act_first"] else nn.Identity()
        self.conv = nn.Conv2d(
            entry.channels, target.channels, kernel, stride, kernel // 2, bias=op["bias"] or not normed
        )
        self.norm = build.norm(target.channels) if normed else nn.Identity()
        self.act = activation(op["act"])

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(self.before(x))))
