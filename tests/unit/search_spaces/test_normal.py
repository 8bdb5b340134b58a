"""Equivalent genotypes have one key and decode to the same weights and outputs."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nas.detectors import build_detector
from search_spaces.choose import sample
from search_spaces.genotype import Edge, Genotype, Node, Scale
from search_spaces.ops import GenotypeError, Op, op, stem_maps
from search_spaces.registry import SPACES
from search_spaces.zoo import zoo

SMALL = Scale(width=1 / 16, alpha=0.25, output_width=32, head_depth=1, stem=0.25)
STEM, HEAD, IDENTITY, LATERAL, CONV = op("resnet_stem"), op("fcos"), op("identity"), op("lateral"), op("conv")
SUM, NONE = op("sum"), op("none")
WAYS_DOWN = ("pool", "tiles", "skip")
CONFIDENT = {"confidence_power": 0.4, "confidence_attached": False, "confidence_only_large": True}
IDLE = {"lateral": {"bias": True}, "conv": {"bias": True}, "spinenet": {"padding": "same"}}
"""Attributes without effect: `bias` of operators without a norm, and `padding` of edges that do not downsample."""


def with_redundant_parts(genotype: Genotype, rng: random.Random) -> Genotype:
    """An equivalent genotype with extra identity nodes, other edges within a level, and attributes without effect."""
    levels = {m.name: m.level for m in stem_maps(genotype.stem)} | {node.name: node.level for node in genotype.nodes}
    nodes: list[Node] = []
    passed: dict[str, str] = {}
    for node in genotype.nodes:
        edges = [
            Edge(
                passed[edge.source] if rng.random() < 0.7 and edge.source in passed else edge.source,
                idle_edge(edge.op, node.level - levels[edge.source], rng),
            )
            for edge in node.inputs
        ]
        nodes.append(replace(node, inputs=tuple(edges), block=idle_block(node.block)))
        if node.block.spec.expansion == 1:
            source = node.name
            for i in range(rng.randrange(3)):
                through = Edge(source, rng.choice((IDENTITY, op("nearest", down="skip"), op("asff_resample"))))
                source = passed[node.name] = f"{node.name}_{i}"
                nodes.append(Node(source, node.level, node.width, (through,)))
    outputs = tuple(passed.get(name, name) for name in genotype.outputs)
    return Genotype(genotype.stem, tuple(nodes), outputs, genotype.head)


def idle_edge(operator: Op, climb: int, rng: random.Random) -> Op:
    if climb <= 0 and operator.name == "nearest":
        return op("nearest", down=rng.choice(WAYS_DOWN))
    if climb == 0 and operator == IDENTITY:
        return op("nearest", down=rng.choice(WAYS_DOWN))
    if (climb <= 0 and operator.name == "spinenet") or operator == LATERAL:
        return operator.but(**IDLE[operator.name])
    return operator


def idle_block(block: Op) -> Op:
    if block.name == "conv" and block["norm"] == "none":
        return block.but(**IDLE["conv"])
    if block.name == "bottleneck":
        return block.but(msfm=tuple(m.but(deepen="enlarging") if m["convs"] == 1 else m for m in block["msfm"]))
    return block


def outputs(model: nn.Module) -> list[Tensor]:
    """All outputs of the network, with open gates, for an image whose sides are not multiples of the strides."""
    for parameter in model.parameters():
        if parameter.ndim == 0:
            nn.init.ones_(parameter)
    image = torch.rand(1, 3, 70, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return list(model.eval().network(image).values())  # type: ignore[operator]


def assert_same_network(first: Genotype, second: Genotype) -> None:
    one, other = (build_detector(genotype, SMALL, 3) for genotype in (first, second))
    other.load_state_dict(one.state_dict())  # requires the same names and shapes of weights
    assert all(torch.equal(x, y) for x, y in zip(outputs(one), outputs(other), strict=True))


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("seed", range(2))
def test_redundant_parts_change_neither_key_nor_network(name: str, seed: int) -> None:
    rng = random.Random(seed)
    genotype = sample(SPACES[name], rng).value
    other = with_redundant_parts(genotype, rng)
    assert other != genotype
    assert other.key() == genotype.key()
    assert_same_network(genotype, other)


@pytest.mark.parametrize("name", ["spinenet-49", "nas-fpn", "bifpn", "pafpn", "yolov3-asff"])
def test_redundant_parts_do_not_change_published_keys(name: str) -> None:
    genotype = zoo(name).genotype
    assert {with_redundant_parts(genotype, random.Random(seed)).key() for seed in range(20)} == {genotype.key()}


def equivalent_pairs() -> Iterator[tuple[Genotype, Genotype]]:
    """Pairs of equivalent genotypes that differ in a head or module; levels 3 to 7."""
    pyramid = zoo("fpn").genotype
    attentive = [replace(pyramid, head=op("fcos", attention=(op("dsa", min_level=level),))) for level in (1, 3)]
    yield attentive[0], attentive[1]
    yield pyramid, replace(pyramid, head=op("fcos", attention=(op("dsa", min_level=8, reduction=2),)))
    retina = replace(pyramid, head=op("retinanet", attention=(op("dsa", min_level=7),)))
    yield retina, replace(retina, head=retina.head.but(**CONFIDENT))
    added, joined = (
        replace(pyramid, nodes=tuple(_with_msfm(node, fusion) for node in pyramid.nodes)) for fusion in ("add", "cat")
    )
    yield added, joined


def _with_msfm(node: Node, fusion: str) -> Node:
    if node.block.name != "bottleneck":
        return node
    return replace(node, block=node.block.but(msfm=(op("msfm", scales=(2.0,), convs=2, fusion=fusion),)))


@pytest.mark.parametrize(
    ("first", "second"), list(equivalent_pairs()), ids=["all levels", "no level", "confidence", "one scale"]
)
def test_equivalent_heads_and_modules_have_one_key(first: Genotype, second: Genotype) -> None:
    assert first != second
    assert first.key() == second.key()
    assert_same_network(first, second)


# Differences that change the network


def tower(edge: Op = IDENTITY, *, level: int = 3, fuse: Op = SUM, block: Op = NONE, head: Op = HEAD) -> str:
    """The key of three nodes in a row: a map of level 3, the node under test, and the output."""
    first = Node("a", 3, 32, (Edge("stem2", LATERAL),), block=CONV)
    middle = Node("b", level, 32, (Edge("a", edge),), fuse, block)
    end = Node("c", level, None, (Edge("b", LATERAL),))
    return Genotype(STEM, (first, middle, end), ("c",), head).key()


def test_effective_attributes_change_the_key() -> None:
    keys = [
        tower(),
        tower(fuse=op("sum", act="relu")),
        tower(block=op("dropblock")),
        tower(block=op("conv", bias=True)),
        tower(block=CONV),
        *(tower(op("nearest", down=way), level=4) for way in WAYS_DOWN),
        tower(op("nearest"), level=2),
        *(tower(op("spinenet", padding=padding), level=4) for padding in ("same", "symmetric")),
        *(tower(op("lateral", norm="batch", bias=bias)) for bias in (True, False)),
        *(tower(head=op("retinanet", confidence=True, confidence_power=power)) for power in (0.4, 0.7)),
        tower(op("asff_resample"), level=4),
        *(tower(head=op("fcos", attention=(op("dsa", min_level=3, reduction=r),))) for r in (4, 8)),
    ]
    assert len(set(keys)) == len(keys)


def read_twice(*sources: str) -> str:
    """The key of a sum of laterals of one map; `sources` are the map and identity nodes on it."""
    first = Node("a", 3, 32, (Edge("stem2", LATERAL),), block=CONV)
    passing = [Node(name, 3, 32, (Edge("a", IDENTITY),)) for name in ("p", "q")]
    end = Node("c", 3, None, tuple(Edge(name, LATERAL) for name in sources))
    return Genotype(STEM, (first, *passing, end), ("c",), HEAD).key()


def test_reading_a_map_twice_changes_the_key() -> None:
    """Each edge has its own weights."""
    assert read_twice("a", "p") == read_twice("p", "q") == read_twice("q", "a")
    assert read_twice("a", "p") != read_twice("a") == read_twice("q")
    assert read_twice("a", "p", "q") != read_twice("a", "p")


def test_a_replaced_attribute_is_checked() -> None:
    assert op("conv", kernel=5).but(kernel=3, act="silu") == op("conv", act="silu")
    with pytest.raises(GenotypeError, match=r"conv\.kernel: 4 is even"):
        CONV.but(kernel=4)
