"""YOLOv3 with ASFF: parameter and MAC counts of the official networks, outputs of the official modules."""

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.cost import cost
from nas.decode import Backbone, decode
from nas.detectors import build_detector
from nas.importers.asff import fusion_state
from nas.inspect.weights import fusion_weights
from nas.ops.block.dropblock import DropBlock
from search_spaces.genotype import Edge, Genotype, Node, Scale
from search_spaces.ops import op
from search_spaces.zoo import zoo
from tests.support import OFFICIAL_ASFF, shared_data

HEAD_INDEX = {3: "37", 4: "28", 5: "19"}
"""Level -> index of its head in the module list of the official darknet model."""


@cache
def facts() -> Any:
    return json.loads((shared_data() / "facts" / "asff.json").read_text())["counts"]


def parameters(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def network(name: str) -> Any:
    with torch.device("meta"):
        return build_detector(zoo(name).genotype, zoo(name).scale, zoo(name).num_classes)


@pytest.mark.parametrize("name", OFFICIAL_ASFF)
def test_network_has_the_official_parameters(name: str) -> None:
    assert parameters(network(name)) == facts()[OFFICIAL_ASFF[name]]["params"]


@pytest.mark.parametrize("name", OFFICIAL_ASFF)
def test_network_has_the_official_multiply_adds(name: str) -> None:
    """MACs of convolutions and deformable convolutions, in G, to the three decimals of the facts."""
    entry, official = zoo(name), facts()[OFFICIAL_ASFF[name]]
    for size in (size for size in (320, 416, 608, 800) if f"gmacs_{size}" in official):
        counted = cost(entry.genotype, entry.scale, image_size=size, num_classes=80)
        assert f"{counted.macs / 1e9:.3f}" == f"{official[f'gmacs_{size}']['total']:.3f}"


@pytest.mark.parametrize("name", OFFICIAL_ASFF)
def test_head_of_each_level_has_the_official_parameters(name: str) -> None:
    official = facts()[OFFICIAL_ASFF[name]]
    for level, head in zip((3, 4, 5), network(name).head.levels, strict=True):
        by_child = official["children"].get(f"level_{5 - level}_header")
        expected = by_child if by_child is not None else official["heads"][HEAD_INDEX[level]]
        assert parameters(head) == expected


@pytest.mark.parametrize("name", [name for name in OFFICIAL_ASFF if "asff" in name])
def test_fusion_of_each_level_has_the_official_parameters(name: str) -> None:
    """One official module corresponds to two nodes: the fusion and the expansion."""
    nodes, children = network(name).backbone.nodes, facts()[OFFICIAL_ASFF[name]]["children"]
    for level in (3, 4, 5):
        kind = "conv" if "mobilenet" in name else "fusion"
        fused = parameters(nodes[f"node_f{level}"], nodes[f"node_p{level}"])
        assert fused == children[f"level_{5 - level}_{kind}"]


def test_network_has_the_official_number_of_predictions() -> None:
    model = network("yolov3-mobilenetv2").eval()
    for size in (320, 416):
        with torch.device("meta"), torch.inference_mode():
            raw = model.network(torch.empty(1, 3, size, size))
        assert raw.objectness.shape[1] == facts()["mobilev2_baseline"][f"out_{size}"][1]


def test_dropblock_follows_the_released_schedule() -> None:
    schedule = json.loads((shared_data() / "facts" / "asff.json").read_text())["training"]["dropblock"]
    blocks = [m for m in network("yolov3-asff-rfb").modules() if isinstance(m, DropBlock)]
    assert len(blocks) == len(schedule["layers_asff"])
    for epoch in (5, 80, 150):
        for block in blocks:
            block.epoch = epoch
        assert [block.size for block in blocks] == schedule[f"epoch_{epoch}"]
        assert {block.keep for block in blocks} == {schedule["keep_prob"]}


# The fusion module


def fusion_network(level: int, *, mobile: bool) -> Backbone:
    """The two ASFF nodes of one level of the zoo entry, with inputs computed directly from a stem."""
    nodes = zoo("yolov3-mobilenetv2-asff" if mobile else "yolov3-asff").genotype.by_name
    fuse, expand = nodes[f"f{level}"], nodes[f"p{level}"]
    widths = {edge.source: nodes[edge.source].width for edge in fuse.inputs}
    stem = [Node(name, 5 - i, widths[name], (Edge("stem2", op("lateral")),)) for i, name in enumerate(widths)]
    head = op("fcos")
    return decode(Genotype(op("resnet_stem"), (*stem, fuse, expand), (expand.name,), head), Scale()).eval()


@pytest.mark.parametrize(("fixture", "level", "mobile"), [("asff_level1", 4, False), ("asffmobile_level2", 3, True)])
def test_fusion_reproduces_the_official_module(fixture: str, level: int, mobile: bool) -> None:
    data = np.load(shared_data() / "fixtures" / f"{fixture}.npz")
    given = {name: torch.from_numpy(data[name]).float() for name in data}
    network = fusion_network(level, mobile=mobile)
    fuse, expand = network.nodes[f"node_f{level}"], network.nodes[f"node_p{level}"]
    states = fusion_state({name[3:]: x for name, x in given.items() if name.startswith("sd.")})
    for node, state in zip((fuse, expand), states, strict=True):
        node.load_state_dict(state)
    maps = [given[f"x{i}"] for i in range(3)]
    size = tuple(given["out"].shape[-2:])
    with torch.inference_mode(), fusion_weights(network) as weights:
        fused = fuse(maps, size)
        made = expand([fused], size)
    assert_close(weights[f"f{level}"], given["weights"])
    assert_close(fused.sum(1), given["fused_sum"])
    assert_close(made, given["out"])


@pytest.mark.parametrize("mobile", [False, True])
@pytest.mark.parametrize("level", [3, 4, 5])
def test_fusion_inputs_are_resized_as_in_the_facts(level: int, mobile: bool) -> None:
    """Each resize step against the facts, with random weights and map sizes that are not multiples of each other."""
    torch.manual_seed(0)
    sides = ((3, 4), (6, 8), (12, 15))
    widths = (512, 256, 128 if mobile else 256)
    node: Any = fusion_network(level, mobile=mobile).nodes[f"node_f{level}"]
    maps = [torch.randn(1, width, *side) for width, side in zip(widths, sides, strict=True)]
    size = sides[5 - level]
    for i, (x, edge) in enumerate(zip(maps, node.edges, strict=True)):
        steps = (5 - level) - i
        expected = x
        if steps < 0:
            expected = functional.max_pool2d(x, 3, 2, 1) if steps == -2 else x
            expected = edge.conv(expected)
            assert edge.conv[0].stride == (2, 2)
            assert edge.conv[0].kernel_size == (3, 3)
        elif steps > 0:
            expected = edge.conv(x) if widths[i] != widths[5 - level] else x
            expected = expected.repeat_interleave(2**steps, -1).repeat_interleave(2**steps, -2)
            expected = expected[..., : size[0], : size[1]]
        assert torch.equal(edge(x, size), expected)
        acts = [type(m) for m in edge.modules() if isinstance(m, (nn.LeakyReLU, nn.ReLU6))]
        assert set(acts) <= {nn.ReLU6 if mobile else nn.LeakyReLU}


def assert_close(made: Tensor, official: Tensor) -> None:
    """Compare with a tolerance of 1e-5 of the largest value."""
    assert made.shape == official.shape
    assert (made - official).abs().max() <= 1e-5 * official.abs().max()
