"""TensorFlow's 'same' padding: hand-computed values, and pools and convolutions against explicit padding."""

import itertools

import pytest
import torch
from torch.nn import functional

from nas.ops.pool import SameConv2d, max_pool, same_padding
from nas.ops.resample.cost import pool_strides

BY_HAND = {
    (3, 2): {1: (1, 1), 2: (0, 1), 8: (0, 1), 9: (1, 1), 63: (1, 1), 64: (0, 1)},
    (5, 4): {1: (2, 2), 2: (1, 2), 3: (1, 1), 4: (0, 1), 13: (2, 2), 14: (1, 2), 15: (1, 1), 16: (0, 1)},
    (7, 2): {1: (3, 3), 2: (2, 3), 13: (3, 3), 128: (2, 3)},
    (3, 1): {9: (1, 1)},
    (1, 2): {8: (0, 0)},
}
"""(kernel, stride) -> input size -> padding before and after, px."""


@pytest.mark.parametrize(("kernel", "stride"), BY_HAND)
def test_same_padding_matches_hand_computed_values(kernel: int, stride: int) -> None:
    sizes = BY_HAND[kernel, stride]
    assert {size: same_padding(size, kernel, stride) for size in sizes} == sizes


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 4), (7, 2)])
def test_pools_and_convolutions_match_explicit_padding(kernel: int, stride: int) -> None:
    for (high, rows), (wide, columns) in itertools.product(BY_HAND[kernel, stride].items(), repeat=2):
        x = torch.randn(2, 3, high, wide)
        shape = (-(-high // stride), -(-wide // stride))
        conv = SameConv2d(3, 4, kernel, stride, bias=False)
        explicit = functional.conv2d(functional.pad(x, (*columns, *rows)), conv.weight, stride=stride)
        assert explicit.shape[-2:] == shape
        torch.testing.assert_close(conv(x), explicit, rtol=1e-4, atol=1e-5)
        if kernel == stride + 1:
            white = functional.pad(x, (*columns, *rows), value=-torch.inf)
            assert torch.equal(max_pool(x, kernel, stride), functional.max_pool2d(white, kernel, stride))


@pytest.mark.parametrize(
    ("levels", "symmetric", "same"),
    [(-2, (), ()), (0, (), ()), (1, (2,), (2,)), (2, (4,), (2, 2)), (3, (4, 2), (2, 2, 2)), (4, (4, 4), (2,) * 4)],
)
def test_remaining_levels_are_pooled_after_the_convolution(
    levels: int, symmetric: tuple[int, ...], same: tuple[int, ...]
) -> None:
    assert pool_strides(levels, "symmetric") == symmetric
    assert pool_strides(levels, "same") == same
