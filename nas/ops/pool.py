"""Padding and max pooling as TensorFlow's 'same' does it, which both official SpineNet codes pool by; and in tiles."""

from torch import Tensor, nn
from torch.nn import functional


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels before and after a side of `size`, so that ceil(size / stride) windows fit; the odd one goes after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution that pads 'same': even sides at stride 2 get their pixel at the end, not at the beginning."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        vertical, horizontal = (
            same_padding(input.shape[axis - 2], self.kernel_size[axis], self.stride[axis]) for axis in (0, 1)
        )
        return super().forward(functional.pad(input, (*horizontal, *vertical)))


def max_pool(x: Tensor, kernel: int = 3, stride: int = 2) -> Tensor:
    """'same': (N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride)).

    An even side is padded at its end only, where `MaxPool2d(3, 2, 1)` would pad its beginning. `kernel` exceeds
    `stride` by one, so that what is padded after is at most one pixel more than before: torch's `ceil_mode`.
    """
    height, width = x.shape[-2:]
    before = same_padding(height, kernel, stride)[0], same_padding(width, kernel, stride)[0]
    return functional.max_pool2d(x, kernel, stride, padding=before, ceil_mode=True)


def tile_pool(x: Tensor, levels: int) -> Tensor:
    """One max pool of kernel and stride 2**levels, padded at the end: sizes rounded up."""
    return functional.max_pool2d(x, 2**levels, 2**levels, ceil_mode=True)


def move(x: Tensor, from_level: int, to_level: int, size: tuple[int, int]) -> Tensor:
    """Max-pool or repeat pixels from one level to another, without parameters.

    A finer map that is no whole multiple is cut to `size`: positions keep their place in the image.
    """
    for _ in range(to_level - from_level):
        x = max_pool(x)
    if to_level < from_level:
        x = functional.interpolate(x, scale_factor=float(2 ** (from_level - to_level)), mode="nearest")
        x = x[..., : size[0], : size[1]]
    return x
