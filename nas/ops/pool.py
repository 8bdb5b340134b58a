"""Max pooling: as TensorFlow pads it, which both official SpineNet codes use, and in tiles."""

from torch import Tensor
from torch.nn import functional


def max_pool(x: Tensor) -> Tensor:
    """3x3, stride 2, 'same': (N, C, H, W) -> (N, C, ceil(H/2), ceil(W/2)).

    An even side is padded at its end only, where `MaxPool2d(3, 2, 1)` would pad its beginning.
    """
    height, width = x.shape[-2:]
    return functional.max_pool2d(x, 3, 2, padding=(height % 2, width % 2), ceil_mode=True)


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
