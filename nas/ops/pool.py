"""TensorFlow's 'same' padding and max pooling, used by both official SpineNet codes; pooling in tiles."""

from torch import Tensor, nn
from torch.nn import functional


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels before and after a side of `size`, so that ceil(size / stride) windows fit; an odd pixel goes after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution with 'same' padding: at stride 2 an even side is padded at its end, not its beginning."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        vertical, horizontal = (
            same_padding(input.shape[axis - 2], self.kernel_size[axis], self.stride[axis]) for axis in (0, 1)
        )
        return super().forward(functional.pad(input, (*horizontal, *vertical)))


def max_pool(x: Tensor, kernel: int = 3, stride: int = 2) -> Tensor:
    """'same': (N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride)).

    An even side is padded at its end only, whereas `MaxPool2d(3, 2, 1)` pads its beginning. `kernel` must exceed
    `stride` by one: then the end has at most one pixel more than the beginning, which is torch's `ceil_mode`.
    """
    height, width = x.shape[-2:]
    before = same_padding(height, kernel, stride)[0], same_padding(width, kernel, stride)[0]
    return functional.max_pool2d(x, kernel, stride, padding=before, ceil_mode=True)


def tile_pool(x: Tensor, levels: int) -> Tensor:
    """One max pool of kernel and stride 2**levels, padded at the end: sizes rounded up."""
    return functional.max_pool2d(x, 2**levels, 2**levels, ceil_mode=True)


def move(x: Tensor, from_level: int, to_level: int, size: tuple[int, int]) -> Tensor:
    """Resample to another level without parameters: max pools to a coarser one, nearest neighbour to a finer one.

    An upsampled map is cropped to `size` if that is not a whole multiple: positions in the image are kept.
    """
    for _ in range(to_level - from_level):
        x = max_pool(x)
    if to_level < from_level:
        x = functional.interpolate(x, scale_factor=float(2 ** (from_level - to_level)), mode="nearest")
        x = x[..., : size[0], : size[1]]
    return x
