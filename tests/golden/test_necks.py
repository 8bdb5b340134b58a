"""Necks against torchvision, parameter counts of independent public code, and published specifications."""

import math
from collections import OrderedDict
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from nas.decode import Backbone, decode
from search_spaces.bifpn import bifpn
from search_spaces.choose import Choice
from search_spaces.fpn import resnet_fpn
from search_spaces.genotype import Genotype, Scale
from search_spaces.nas_fpn import PUBLISHED, NasFpnSpace, merge
from search_spaces.trunk import resnet, trunk_of
from search_spaces.zoo import zoo

NARROW = Scale(width=1 / 64, output_width=8)


def neck_parameters(genotype: Genotype) -> int:
    """Trainable parameters outside the stem and the stages c2 to c5."""
    with torch.device("meta"):
        network = decode(genotype, Scale())
    return sum(
        p.numel() for name, p in network.named_parameters() if not name.startswith(("stem", *_stages(network.nodes)))
    )


def _stages(nodes: nn.ModuleDict) -> list[str]:
    return [f"nodes.{name}." for name in nodes if name.startswith("node_c")]


# Parameter counts of the modules of mmdet 3.3.0 (FPN, PAFPN, NASFPN) and effdet 0.4.1 (BiFpn): inputs of 512, 1024 and
# 2048 channels, five outputs of 256 channels.
MMDET_FPN, MMDET_PAFPN = 3_868_672, 6_228_992
MMDET_NAS_FPN = {1: 5_185_280, 3: 13_453_568, 7: 29_990_144}
EFFDET_BIFPN = {1: 2_781_715, 3: 3_879_481}
"""Depth -> parameters, including the biases before norms of the released weights (`redundant_bias`)."""


def test_fpn_has_the_parameters_of_mmdet() -> None:
    assert neck_parameters(zoo("fpn").genotype) == MMDET_FPN


def test_pafpn_has_the_parameters_of_mmdet() -> None:
    assert neck_parameters(zoo("pafpn").genotype) == MMDET_PAFPN


@pytest.mark.parametrize("depth", EFFDET_BIFPN)
def test_bifpn_has_the_parameters_of_effdet(depth: int) -> None:
    assert neck_parameters(bifpn(resnet(50), depth=depth)) == EFFDET_BIFPN[depth]


@pytest.mark.parametrize("repeats", MMDET_NAS_FPN)
def test_nas_fpn_has_the_parameters_of_mmdet(repeats: int) -> None:
    """Unlike Google's code, mmdet has no bias in the laterals and a convolution before the pool of levels 6 and 7."""
    lateral_biases, extra_levels = 3 * 256, 2 * (256 * 256 + 2 * 256)
    assert neck_parameters(merge(resnet(50), repeats=repeats)) == MMDET_NAS_FPN[repeats] + lateral_biases - extra_levels


# FPN


class TorchvisionFpn(nn.Module):
    """torchvision's FPN with the weights of a decoded backbone."""

    def __init__(self, backbone: Backbone, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.fpn = FeaturePyramidNetwork(list(channels), width, LastLevelP6P7(width, width))
        parts = dict(backbone.nodes.items())
        for i, level in enumerate((3, 4, 5)):
            self.fpn.inner_blocks[i][0] = parts[f"node_inner{level}"].edges[0].conv  # type: ignore[union-attr,index]
            self.fpn.layer_blocks[i][0] = parts[f"node_p{level}"].block.conv  # type: ignore[union-attr,index]
        self.fpn.extra_blocks.p6 = parts["node_p6"].block.conv  # type: ignore[union-attr]
        self.fpn.extra_blocks.p7 = parts["node_p7"].block.conv  # type: ignore[union-attr]

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return list(self.fpn(OrderedDict(enumerate(maps))).values())


@pytest.mark.parametrize("size", [(128, 128), (150, 231)])
def test_fpn_outputs_match_torchvision(size: tuple[int, int]) -> None:
    backbone = decode(resnet_fpn(), NARROW).eval()
    maps: dict[str, Tensor] = {}
    for level in (3, 4, 5):
        backbone.nodes[f"node_c{level}"].register_forward_hook(lambda m, a, out, lv=level: maps.update({f"c{lv}": out}))
    with torch.inference_mode():
        made = list(backbone(torch.randn(2, 3, *size)).values())
        stages = [maps[f"c{level}"] for level in (3, 4, 5)]
        expected = TorchvisionFpn(backbone, [x.shape[1] for x in stages], 8)(stages)
    for ours, theirs in zip(made, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


# NAS-FPN


def test_nas_fpn_has_the_published_edges() -> None:
    """Inputs of each cell in Figure 6 of the paper. In an attention cell, the first input gates the second."""
    nodes = {node.name: node for node in merge(resnet(50), repeats=1).nodes}
    cells = {name: [edge.source for edge in node.inputs] for name, node in nodes.items() if name.startswith("r0_")}
    assert cells == {
        "r0_5": ["f6", "f4"],
        "r0_6": ["f4", "r0_5"],
        "r0_7": ["f3", "r0_6"],
        "r0_8": ["r0_6", "r0_7"],
        "r0_9": ["r0_8", "r0_7", "f5"],
        "r0_10": ["r0_9", "r0_6", "f7"],
        "r0_11": ["r0_10", "r0_9"],
    }


def test_nas_fpn_space_contains_the_published_neck() -> None:
    wish: dict[str, Choice] = {"intermediate0.level": 4, "intermediate1.level": 4}
    names = ["intermediate0", "intermediate1", "output0", "output1", "output2", "output4", "output3"]
    for position, (name, cell) in enumerate(zip(names, PUBLISHED, strict=True), 5):
        wish |= {f"{name}.fuse": cell.fuse, f"position{position}.inputs": cell.inputs}
    wish |= {f"output{i}.place": place for i, place in enumerate((0, 1, 2, 3, 3))}
    space = NasFpnSpace(repeats=7)
    assert space.cells(lambda name, options: next(o for o in options if o == wish[name])) == list(PUBLISHED)


def test_nas_fpn_space_has_the_published_size() -> None:
    """10^15.3: a level, an operator and an input pair per intermediate cell, and 5! orders of the outputs."""
    sizes: list[int] = []

    def first(name: str, options: Sequence[Choice]) -> Choice:
        sizes.append(len(options))
        return options[0]

    NasFpnSpace().build(first)  # type: ignore[arg-type]
    pairs = [math.comb(n, 2) for n in range(5, 12)]
    assert math.prod(sizes) == (4 * 2) ** 2 * 2**5 * math.factorial(5) * math.prod(pairs)
    assert round(math.log10(math.prod(sizes)), 1) == 15.3


@pytest.mark.parametrize("name", ["bifpn", "nas-fpn"])
def test_neck_decodes_on_any_backbone(name: str) -> None:
    """SpineNet, which has maps up to level 7, and ResNet-101."""
    for trunk in (trunk_of(zoo("spinenet-49").genotype), resnet(101)):
        genotype = bifpn(trunk, depth=2) if name == "bifpn" else merge(trunk, repeats=2)
        backbone = decode(genotype, Scale(width=1 / 32, output_width=8)).eval()
        with torch.inference_mode():
            made = backbone(torch.randn(1, 3, 75, 90))
        assert [tuple(x.shape) for x in made.values()] == [
            (1, 8, -(-75 // s), -(-90 // s)) for s in (8, 16, 32, 64, 128)
        ]
