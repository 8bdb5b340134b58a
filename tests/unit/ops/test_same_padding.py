"""TensorFlow's 'same', by hand and against explicit padding."""

import pytest
import torch
from torch.nn import functional

from nas.ops.pool import SameConv2d, max_pool, same_padding
from nas.ops.resample.spinenet import pool_strides


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (128, 7, 2, (2, 3)),
        (64, 3, 2, (0, 1)),
        (63, 3, 2, (1, 1)),
        (1, 3, 2, (1, 1)),
        (16, 5, 4, (0, 1)),
        (14, 5, 4, (1, 2)),
        (9, 3, 1, (1, 1)),
        (8, 1, 2, (0, 0)),
    ],
)
def test_padding_by_hand(size: int, kernel: int, stride: int, expected: tuple[int, int]) -> None:
    assert same_padding(size, kernel, stride) == expected


def padded(x: torch.Tensor, kernel: int, stride: int, value: float) -> torch.Tensor:
    height, width = (same_padding(side, kernel, stride) for side in x.shape[-2:])
    return functional.pad(x, (*width, *height), value=value)


@pytest.mark.parametrize("size", range(1, 20))
def test_pools_and_convolutions_equal_explicit_padding(size: int) -> None:
    x = torch.randn(2, 3, size, size + 3)
    for kernel, stride in ((3, 2), (5, 4)):
        explicit = functional.max_pool2d(padded(x, kernel, stride, -torch.inf), kernel, stride)
        assert torch.equal(max_pool(x, kernel, stride), explicit)
        assert explicit.shape[-2:] == (-(-size // stride), -(-(size + 3) // stride))
    for kernel in (3, 7):
        conv = SameConv2d(3, 4, kernel, 2, bias=False)
        torch.testing.assert_close(conv(x), functional.conv2d(padded(x, kernel, 2, 0.0), conv.weight, stride=2))


@pytest.mark.parametrize(
    ("levels", "symmetric", "same"),
    [(-2, (), ()), (0, (), ()), (1, (2,), (2,)), (2, (4,), (2, 2)), (3, (4, 2), (2, 2, 2)), (4, (4, 4), (2,) * 4)],
)
def test_what_is_left_after_the_convolution_is_pooled(
    levels: int, symmetric: tuple[int, ...], same: tuple[int, ...]
) -> None:
    assert pool_strides(levels, "symmetric") == symmetric
    assert pool_strides(levels, "same") == same
