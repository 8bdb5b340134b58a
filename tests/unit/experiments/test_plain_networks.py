"""The networks that the benchmarks compare: hand-written ones equal decoded ones, and sums replace ASFF."""

import re

import pytest
import torch
from torch import nn

from experiments.bench import asff_overhead
from experiments.bench.asff_overhead import fusions, summed
from experiments.bench.baselines.plain_spinenet import copy_state
from experiments.bench.train_step import PLAIN, pair, stepper, total_loss
from nas.decode import decode
from nas.ops.fuse.asff import Asff
from search_spaces.genotype import Scale
from search_spaces.zoo import zoo


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("training", [False, True])
def test_the_plain_network_equals_the_decoded_one(name: str, training: bool) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 128, 128)
    decoded, plain = (detector.get_submodule("backbone").train(training)(images) for detector in pair(name, 0.125))
    assert decoded.keys() == plain.keys()
    for level, x in decoded.items():
        assert x.std() > 0
        torch.testing.assert_close(x, plain[level], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", PLAIN)
def test_a_training_step_changes_both_detectors_equally(name: str) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 128, 128)
    decoded, plain = (detector.train() for detector in pair(name, 0.125))
    losses = [total_loss(detector, images) for detector in (decoded, plain)]
    torch.testing.assert_close(*losses, rtol=1e-4, atol=0)
    before = {name: p.detach().clone() for name, p in decoded.named_parameters()}
    for detector in (decoded, plain):
        stepper(detector, images, total_loss)()
    changed = {name.split(".")[0] for name, p in decoded.named_parameters() if not p.equal(before[name])}
    assert changed == {"backbone", "head"}
    for ours, theirs in zip(decoded.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match="same entries"):
        copy_state(nn.Linear(2, 3), nn.Linear(2, 2))


def test_sums_replace_asff_only() -> None:
    genotype = zoo("yolov3-asff").genotype
    plain = summed(genotype)
    changed = [a.name for a, b in zip(genotype.nodes, plain.nodes, strict=True) if a != b]
    assert changed == ["f3", "f4", "f5"]
    assert not any(node.fuse.name == "asff" for node in plain.nodes)


def test_fusions_are_listed_with_their_input_maps() -> None:
    backbone = decode(zoo("yolov3-asff").genotype, Scale(width=0.0625, stem=0.0625))
    found = fusions(backbone, torch.rand(2, 3, 64, 64), ["f4", "f3"])
    assert all(isinstance(fuse, Asff) for fuse, _ in found)
    assert {tuple(x.shape) for x in found[0][1]} == {(2, 16, 8, 8)}  # in the order of the forward pass
    assert {tuple(x.shape) for x in found[1][1]} == {(2, 16, 4, 4)}
    assert not any(module._forward_pre_hooks for module in backbone.modules())


@pytest.mark.parametrize("train", [False, True])
def test_the_overhead_of_asff_is_printed(train: bool, capsys: pytest.CaptureFixture[str]) -> None:
    asff_overhead.main(train=train, image_size=64, batch=2, rounds=2, width=0.0625)
    assert re.search(r"fusions alone: [\d.]+ ms against [\d.]+ ms, -?[\d.]+% of the pass", capsys.readouterr().out)
