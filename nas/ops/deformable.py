"""Convolutions that choose where they look (Deformable ConvNets, arXiv 1703.06211, section 2.1)."""

from torch import Tensor, nn
from torchvision.ops import DeformConv2d

from nas.ops.common import OwnWeights
from nas.ops.part.cost import DEFORMABLE_KERNEL as KERNEL


class Offsets(nn.Conv2d, OwnWeights):
    """The convolution that says how far each place moves; it begins at zero."""

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.get_parameter("bias"))


class DeformableConv(nn.Module):
    """A 3x3 convolution without bias whose nine places move by offsets that another one makes of the same map.

    (N, channels_in, H, W) -> (N, channels_out, H / stride, W / stride), sizes rounded up. The offsets begin at zero,
    where it is a plain convolution; they are not modulated (version 1), and all channels share them.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.offset = Offsets(channels_in, 2 * KERNEL**2, KERNEL, stride, KERNEL // 2)
        self.conv = DeformConv2d(channels_in, channels_out, KERNEL, stride, KERNEL // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        kind = self.conv.weight.dtype  # its kernels have no bfloat16, and offsets need the precision
        moved: Tensor = self.conv(x.to(kind), self.offset(x).to(kind))
        return moved
