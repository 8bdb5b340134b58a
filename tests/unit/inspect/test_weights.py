"""Recording of the fusion weights of a forward pass."""

import pytest
import torch

from nas.decode import decode
from nas.detectors import build_detector
from nas.inspect.weights import fusion_weights
from search_spaces.genotype import Scale
from search_spaces.zoo import zoo


def test_fusion_weights_are_recorded_by_node_and_sum_to_1() -> None:
    model = build_detector(zoo("yolov3-asff").genotype, Scale(width=0.0625, stem=0.25), 3).eval()
    with fusion_weights(model) as weights, torch.inference_mode():
        model(torch.rand(2, 3, 64, 96))
    assert {name: tuple(w.shape) for name, w in weights.items()} == {
        "f3": (2, 3, 8, 12),
        "f4": (2, 3, 4, 6),
        "f5": (2, 3, 2, 3),
    }
    for weight in weights.values():
        torch.testing.assert_close(weight.sum(1), torch.ones_like(weight[:, 0]))


def test_each_pass_overwrites_the_weights_and_the_exit_stops_recording() -> None:
    backbone = decode(zoo("fpn-asff").genotype, Scale(width=0.0625, output_width=8)).eval()
    with fusion_weights(backbone) as weights:
        made = backbone(torch.rand(1, 3, 64, 64))
        first = weights["inner4"]
        backbone(torch.rand(1, 3, 64, 64))
        second = weights["inner4"]
        assert not torch.equal(first, second)
        assert not second.requires_grad
        assert made["p3"].requires_grad
    backbone(torch.rand(1, 3, 64, 64))
    assert weights["inner4"] is second


def test_hooks_are_removed_after_a_failed_pass() -> None:
    backbone = decode(zoo("fpn-asff").genotype, Scale(width=0.0625, output_width=8))
    with pytest.raises(RuntimeError), fusion_weights(backbone):
        backbone(torch.rand(1, 7, 64, 64))
    assert not any(module._forward_hooks for module in backbone.modules())
