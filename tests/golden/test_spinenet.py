"""Decoded networks against counts of the official code and of the papers' tables."""

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nas.decode import Backbone, decode
from nas.detectors import build_detector
from nas.ops.part.dsa import PyramidAttention, SelfAttention
from nas.ops.part.msfm import Msfm
from search_spaces.fpn import resnet_fpn
from search_spaces.genotype import Edge, Node, Scale
from search_spaces.msfm import PUBLISHED, MsfmSettings
from search_spaces.ops import Op, op
from search_spaces.zoo import SCALES, zoo
from tests.support import shared_data


def facts(name: str) -> Any:
    return json.loads((shared_data() / "facts" / f"{name}.json").read_text())


def trainable(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def spinenet(scale: Scale) -> Backbone:
    with torch.device("meta"):
        return decode(zoo("spinenet-49").genotype, scale)


# SpineNet


@pytest.mark.parametrize("variant", ["49S", "49", "96", "143", "190"])
def test_spinenet_has_the_official_parameters(variant: str) -> None:
    entry, backbone = zoo(f"spinenet-{variant.lower()}"), facts("spinenet")["variants"][variant]["backbone"]
    network = spinenet(entry.scale)
    assert trainable(network) == backbone["params_trainable"]
    assert trainable(network) + _norm_statistics(network) == backbone["params_total"]
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == backbone["n_conv"]
    assert sum(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == backbone["n_bn"]


def _norm_statistics(network: nn.Module) -> int:
    return sum(2 * m.num_features for m in network.modules() if isinstance(m, nn.BatchNorm2d))


def test_spinenet_49s_with_wide_endpoints_has_the_official_parameters() -> None:
    backbone = facts("spinenet")["variants"]["49S_endpoints256"]["backbone"]
    assert trainable(spinenet(replace(SCALES["49s"], output_width=256))) == backbone["params_trainable"]


def test_spinenet_proxy_with_retinanet_head_has_the_official_parameters() -> None:
    with torch.device("meta"):
        detector = build_detector(zoo("spinenet-49").genotype, SCALES["proxy"], 91)
    assert trainable(detector) == facts("spinenet")["proxy_SpineNet49_quarter_512"]["params_trainable"]


@pytest.mark.parametrize("variant", ["49", "190"])
def test_spinenet_with_its_retinanet_head_has_the_official_parameters(variant: str) -> None:
    with torch.device("meta"):
        detector = build_detector(zoo("spinenet-49").genotype, SCALES[variant], 91)
    assert trainable(detector) == facts("spinenet")["variants"][variant]["params_trainable"]


def test_spinenet_49_has_the_published_edges() -> None:
    """Each block has two parents. The only block without a reader, b11, is added to the output b14 of its level."""
    genotype = zoo("spinenet-49").genotype
    raw = [
        (e.source, n.name) for n in genotype.nodes for e in n.inputs if e.op.name == "identity" and len(n.inputs) > 1
    ]
    assert raw == [("b11", "b14")]
    assert sum(e.op.name == "spinenet" for n in genotype.nodes for e in n.inputs) == 30
    assert genotype.live == genotype.nodes


def test_decode_builds_only_live_nodes() -> None:
    genotype = zoo("spinenet-49").genotype
    dead = Node("dead", 4, 256, (Edge("b5", op("spinenet")),), block=op("bottleneck", repeats=9))
    padded = replace(genotype, nodes=(*genotype.nodes[:8], dead, *genotype.nodes[8:]))
    with torch.device("meta"):
        network = decode(padded, Scale())
    assert trainable(network) == trainable(spinenet(Scale()))
    assert len(network.nodes) == len(genotype.nodes)


# ResNet-50 and FPN


def test_resnet_50_has_the_parameters_of_torchvision() -> None:
    with torch.device("meta"):
        network = decode(zoo("fpn").genotype, Scale())
    neck = 3 * 256 + 256 * (512 + 1024 + 2048) + 5 * (9 * 256 * 256 + 256)
    assert trainable(network) - neck == facts("spinenet")["R50-FPN"]["backbone_params_trainable"]


# MSFM


def published_parameters(channels: int, ratio: int, branches: int, convs: int, fusion: str) -> int:
    """Variant D of the facts: convolutions with bias; norms after the reduction, each 3x3 and the restoration."""
    hidden = channels // ratio
    wide = hidden * (branches if fusion == "cat" else 1)
    reduce = channels * hidden + hidden + 2 * hidden
    return reduce + branches * convs * (9 * hidden**2 + hidden + 2 * hidden) + wide * channels + channels + 2 * channels


@pytest.mark.parametrize("fusion", ["add", "cat"])
@pytest.mark.parametrize("convs", [1, 2])
@pytest.mark.parametrize("scales", [(0.5, 0.7, 1.0), (0.5, 0.7, 1.0, 1.4, 2.0)])
@pytest.mark.parametrize(("channels", "ratio"), [(2048, 64), (512, 16), (128, 16)])
def test_msfm_has_the_published_parameters(
    channels: int, ratio: int, scales: tuple[float, ...], convs: int, fusion: str
) -> None:
    with torch.device("meta"):
        module = Msfm(op("msfm", ratio=ratio, scales=scales, convs=convs, fusion=fusion), channels)
    assert trainable(module) == published_parameters(channels, ratio, len(scales), convs, fusion)


def r50_with(settings: MsfmSettings | None) -> int:
    def msfm(level: int) -> tuple[Op, ...]:
        return settings.at(level) if settings and level > 2 else ()

    with torch.device("meta"):
        return trainable(decode(resnet_fpn(msfm=msfm), Scale()))


@cache
def plain_r50() -> int:
    return r50_with(None)


ABLATION = MsfmSettings((3,), (0.5, 0.7, 1.0), ratio=16, convs=1, fusion="add", groups=16)
FIVE = (0.5, 0.7, 1.0, 1.4, 2.0)
TABLES = {
    "T2 scales 3S": ABLATION,
    "T2 scales 5": replace(ABLATION, scales=FIVE),
    "T2 ratios (8, 16, 32) pos 3": replace(ABLATION, ratio=8),
    "T2 ratios (32, 64, 128) pos 3": replace(ABLATION, ratio=32),
    "T2 ratios (8, 16, 32) pos 1": replace(ABLATION, positions=(1,), ratio=8),
    "T2 norm_group 1 pos 2": replace(ABLATION, positions=(2,), groups=1),
    "T2 conv_num 2 scales 5 pos 3": replace(ABLATION, convs=2, scales=FIVE),
    "T2 fusion cat pos 3": replace(ABLATION, fusion="cat"),
    "T2 fusion cat pos 1": replace(ABLATION, fusion="cat", positions=(1,)),
    "T3 positions (1, 2, 3)": replace(PUBLISHED, positions=(1, 2, 3)),
    "T3 positions (2, 3)": PUBLISHED,
}


@pytest.mark.parametrize("row", TABLES)
def test_msfm_adds_the_published_parameters_to_resnet_50(row: str) -> None:
    expected = {r["row"]: r["added"] for r in facts("msfm")["table_recommended_D"]}[row]
    assert r50_with(TABLES[row]) - plain_r50() == expected


def test_zoo_entry_has_the_published_msfm() -> None:
    """2,318,728 added parameters: facts/PAPERS.md, MSFM's table, row D, with norms after S and U."""
    with torch.device("meta"):
        assert trainable(decode(zoo("fpn-msfm").genotype, Scale())) - plain_r50() == 2_318_728


def test_published_msfm_has_the_published_norm_groups() -> None:
    with torch.device("meta"):
        network = decode(zoo("fpn-msfm").genotype, Scale())
    hidden = {
        m.reduce[1].num_channels: m.reduce[1].num_groups  # type: ignore[union-attr]
        for m in network.modules()
        if isinstance(m, Msfm)
    }
    assert hidden == {8: 4, 32: 32}


# DSA


def test_attention_has_the_published_parameters() -> None:
    """facts/PAPERS.md, DSA: 2 (256*32 + 32) + 256*256 + 256 + 1 = 82,241 per block; 2 towers x 4 levels = 8 blocks."""
    with torch.device("meta"):
        assert trainable(SelfAttention(256, 8)) == 82_241
        assert 2 * trainable(PyramidAttention(op("dsa"), 256, (3, 4, 5, 6, 7))) == 657_928


def test_attention_reproduces_the_official_block() -> None:
    """The official code scales the scores by the square root of the full width C, not of C/8."""
    fixture = np.load(shared_data() / "fixtures" / "dsa_self_attn_c32.npz")
    state = {name[3:].replace("_conv", ""): torch.from_numpy(fixture[name]) for name in fixture if name[:3] == "sd."}
    state["gamma"] = state["gamma"].squeeze()
    module = SelfAttention(32, 8)
    module.load_state_dict(state)
    with torch.inference_mode():
        made = module(torch.from_numpy(fixture["x"]))
    torch.testing.assert_close(made, torch.from_numpy(fixture["out"]), rtol=1e-5, atol=1e-5)
    assert (made - torch.from_numpy(fixture["x"])).abs().max() > 0.01
