"""Deformable convolutions: plain at zero offsets, shifted at constant offsets."""

import torch
from torch.nn import functional

from nas.decode import decode
from nas.ops.deformable import DeformableConv
from search_spaces.genotype import Scale
from search_spaces.zoo import zoo


def test_deformable_convolution_starts_as_a_plain_convolution() -> None:
    x = torch.randn(2, 6, 9, 7)
    for stride in (1, 2):
        module = DeformableConv(6, 4, stride)
        plain = functional.conv2d(x, module.conv.weight, stride=stride, padding=1)
        torch.testing.assert_close(module(x), plain, rtol=1e-4, atol=1e-5)


def test_offsets_shift_the_sampled_positions() -> None:
    """Each of the nine kernel positions has a vertical, then a horizontal offset."""
    module, x = DeformableConv(3, 5), torch.randn(1, 3, 8, 8)
    torch.nn.init.constant_(module.offset.get_parameter("bias"), 0.0)
    with torch.no_grad():
        module.offset.get_parameter("bias")[0::2] = 1
        module.offset.get_parameter("bias")[1::2] = -2
    moved = functional.pad(x, (2, 0, 0, 1))[..., 1:, :8]
    plain = functional.conv2d(moved, module.conv.weight, padding=1)
    torch.testing.assert_close(module(x)[..., 1:-1, 2:-1], plain[..., 1:-1, 2:-1], rtol=1e-4, atol=1e-5)


def test_deformable_convolution_runs_under_autocast() -> None:
    module, x = DeformableConv(6, 4), torch.randn(2, 6, 9, 7)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(module(x.bfloat16()).float(), module(x), rtol=5e-2, atol=5e-2)


def test_decoded_network_starts_with_zero_offsets() -> None:
    """As published, the bottlenecks of c3 to c5 are deformable and those of c2 are not."""
    network = decode(zoo("faster-rcnn-r50-fpn-dconv").genotype, Scale(width=1 / 16, output_width=8))
    found = {name: m for name, m in network.named_modules() if isinstance(m, DeformableConv)}
    assert len(found) == 4 + 6 + 3
    assert not any("node_c2" in name for name in found)
    for module in found.values():
        assert not module.offset.weight.any()
        assert not module.offset.get_parameter("bias").any()
        assert module.conv.weight.std() > 0
