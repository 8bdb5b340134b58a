"""A genotype is legal, a value, and has a stable key; an illegal one is refused, and the error names the part."""

import math
import pickle
import random
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import networkx as nx
import pytest

from search_spaces.choose import sample
from search_spaces.genotype import MAX_NODES, Edge, Genotype, Node, Scale
from search_spaces.ops import GenotypeError, Op, op
from search_spaces.registry import SPACES
from search_spaces.zoo import ZOO, zoo
from tests.support import respelled

IDENTITY, NEAREST, LATERAL = op("identity"), op("nearest"), op("lateral")
CONV, CONCAT = op("conv"), op("concat")

GOLDEN_KEYS = {
    "spinenet-49": "31c2ff4e8d8059ef9647a2a65230348f",
    "fpn": "212c357b4f57437ed053d6f8bfdc0c89",
    "pafpn": "8a636172f04b8f2391c2b716b93712fd",
    "bifpn": "4a99a8d3099e96bd9ceb481ca7696201",
    "nas-fpn": "3f24824eff591f805f85e1c2cbb24f3a",
    "fpn-asff": "4cf59de69ccd1d47d89ee92df5cebd60",
    "fpn-msfm": "53ebd9f8213a514cdb0fb669af6c4427",
    "fpn-dsa": "f233ab4422a00e9374f709482ac97c39",
    "yolov3": "adf13d4c411a445f0599e213f68c37d2",
    "yolov3-rfb": "64706293de41bccc995c9dcca7409e33",
    "yolov3-asff": "c2ea0e3abf4a4bc163d0fa0b3d5b3478",
    "yolov3-asff-rfb": "884eb16806151e4150c852c90d277a3e",
    "yolov3-mobilenetv2": "565d92991e336f35a99b11167d837818",
    "yolov3-mobilenetv2-asff": "b6783bc6d065b7dcae9215ef6bb62253",
}


def node(name: str, level: int, width: int | None, *sources: Any, **ops: Op) -> Node:
    """A node whose sources are names, read through a lateral, or (name, op) pairs."""
    edges = [Edge(*s) if isinstance(s, tuple) else Edge(s, LATERAL) for s in sources]
    return Node(name, level, width, tuple(edges), **ops)


A, B = node("a", 3, 64, "stem2", block=CONV), node("b", 4, 64, "a", block=CONV)


def genotype(*nodes: Node, outputs: tuple[str, ...] | None = None, stem: str = "resnet_stem") -> Genotype:
    return Genotype(op(stem), nodes, (nodes[-1].name,) if outputs is None else outputs, op("fcos"))


FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    "no nodes": (lambda: Genotype(op("resnet_stem"), (), (), op("fcos")), "nodes: 0"),
    "too many nodes": (
        lambda: genotype(*[node(f"n{i}", 3, 8, "stem2") for i in range(MAX_NODES + 1)]),
        f"nodes: {MAX_NODES + 1}",
    ),
    "stem of another kind": (lambda: genotype(A, stem="conv"), "stem: .*'conv'"),
    "head of another kind": (lambda: Genotype(op("resnet_stem"), (A,), ("a",), CONV), "head: .*'conv'"),
    "fuse of another kind": (lambda: genotype(node("a", 3, 8, "stem2", fuse=CONV)), "node 'a': fuse: .*'conv'"),
    "block of another kind": (lambda: genotype(node("a", 3, 8, "stem2", block=CONCAT)), "node 'a': block: .*'concat'"),
    "edge of another kind": (lambda: genotype(node("a", 3, 8, ("stem2", CONV))), "node 'a': input 'stem2': .*'conv'"),
    "no inputs": (lambda: genotype(Node("a", 3, 8, ())), "node 'a': .*no inputs"),
    "input after node": (lambda: genotype(node("a", 3, 8, "b"), B), "node 'a': input 'b'"),
    "input is the node itself": (lambda: genotype(node("a", 3, 8, "a")), "node 'a': input 'a'"),
    "input of another stem": (lambda: genotype(node("a", 3, 8, "stem0")), "node 'a': input 'stem0'"),
    "the same input twice": (lambda: genotype(node("a", 3, 8, "stem2", "stem2")), "node 'a': .*same input twice"),
    "duplicate name": (lambda: genotype(A, A), "node 'a': .*taken"),
    "name of a stem": (lambda: genotype(node("stem3", 3, 8, "stem2")), "node 'stem3': a name"),
    "name with a dot": (lambda: genotype(node("a.b", 3, 8, "stem2")), r"node 'a\.b': a name"),
    "empty name": (lambda: genotype(node("", 3, 8, "stem2")), "node '': a name"),
    "endless name": (lambda: genotype(node("x" * 10**6, 3, 8, "stem2")), "node 'xxx.*a name"),
    "level below 0": (lambda: genotype(node("a", -1, 8, "stem2")), "node 'a': level -1"),
    "level too high": (lambda: genotype(node("a", 11, 8, "stem2")), "node 'a': level 11"),
    "level a bool": (lambda: genotype(node("a", True, 8, "stem2")), "node 'a': level True"),
    "level huge": (lambda: genotype(node("a", 10**5000, 8, "stem2")), "node 'a': level a number of more"),
    "width 0": (lambda: genotype(node("a", 3, 0, "stem2")), "node 'a': width 0"),
    "width a bool": (lambda: genotype(node("a", 3, True, "stem2")), "node 'a': width True"),
    "width huge": (lambda: genotype(node("a", 3, 10**5000, "stem2")), "node 'a': width a number of more"),
    "identity across levels": (
        lambda: genotype(A, node("b", 5, 64, ("a", IDENTITY))),
        "node 'b': .*level 3 to level 5",
    ),
    "identity next to a resample": (
        lambda: genotype(A, B, node("c", 4, 64, ("a", IDENTITY), "b")),
        "node 'c': input 'a' of level 3 .*'identity'",
    ),
    "a block that strides up": (
        lambda: genotype(B.__class__("a", 1, 64, (Edge("stem2", IDENTITY),), block=CONV)),
        "node 'a': block 'conv' .*level 2 to level 1",
    ),
    "a block that cannot stride": (lambda: genotype(A, node("b", 4, 64, ("a", IDENTITY))), "node 'b': block 'none'"),
    "identity from another width": (
        lambda: genotype(A, node("b", 3, 32, ("a", IDENTITY), "stem2")),
        "node 'b': input 'a' differs in width",
    ),
    "identity from an expansion": (
        lambda: genotype(node("a", 2, 16, "stem2", block=op("bottleneck")), node("b", 2, 64, ("a", IDENTITY))),
        "node 'b': input 'a' differs in width",
    ),
    "the stem's width": (lambda: genotype(node("a", 2, 64, ("stem2", IDENTITY))), "input 'stem2' differs in width"),
    "unequal widths into a block": (
        lambda: genotype(
            A, replace(A, name="b", width=32), node("c", 3, 8, ("a", IDENTITY), ("b", NEAREST), block=CONV)
        ),
        "node 'c': input 'b' differs in width",
    ),
    "concat without a widening block": (
        lambda: genotype(A, node("c", 3, 64, "a", "stem2", fuse=CONCAT)),
        "node 'c': a concatenation needs a block .*'none'",
    ),
    "fusing one input": (
        lambda: genotype(node("a", 3, 8, "stem2", fuse=op("asff"))),
        "node 'a': one input .*'asff'",
    ),
    "no outputs": (lambda: genotype(A, outputs=()), "outputs: levels"),
    "unknown output": (lambda: genotype(A, outputs=("z",)), "outputs: 'z'"),
    "output is the stem": (lambda: genotype(A, outputs=("stem2",)), "outputs: 'stem2'"),
    "an output twice": (lambda: genotype(A, outputs=("a", "a")), "outputs: levels"),
    "outputs coarsest first": (lambda: genotype(A, B, outputs=("b", "a")), "outputs: levels"),
    "outputs with a gap": (
        lambda: genotype(A, node("c", 5, 64, "a", block=CONV), outputs=("a", "c")),
        r"outputs: levels \(3, 5\)",
    ),
    "outputs of two widths": (
        lambda: genotype(A, replace(B, width=32), outputs=("a", "b")),
        "outputs: 'b' differs in width from 'a'",
    ),
    "too many repeats": (
        lambda: genotype(*[node(f"n{i}", 3, 8, "stem2", block=op("residual", repeats=64)) for i in range(17)]),
        "nodes: their blocks repeat 1088 times",
    ),
    "unknown operator": (lambda: op("transformer"), "operator 'transformer' is unknown"),
    "operator name not a string": (lambda: Op(7), "operator 7 is unknown"),  # type: ignore[arg-type]
    "unknown attribute": (lambda: op("conv", stride=2), "'conv' has no attribute 'stride'"),
    "an attribute called name": (lambda: op("conv", name="x"), "'conv' has no attribute 'name'"),
    "an attribute twice": (lambda: Op("conv", (("kernel", 3), ("kernel", 5))), "'conv' has attribute 'kernel' twice"),
    "value outside its bounds": (lambda: op("residual", repeats=65), r"residual\.repeats: 65"),
    "an even kernel": (lambda: op("conv", kernel=2), r"conv\.kernel: 2 is even"),
    "bool for int": (lambda: op("residual", repeats=True), r"residual\.repeats: .*True"),
    "int for bool": (lambda: op("conv", act_first=1), r"conv\.act_first: .*1"),
    "float for int": (lambda: op("residual", repeats=2.0), r"residual\.repeats: .*2\.0"),
    "text for number": (lambda: op("residual", repeats="2"), r"residual\.repeats: .*'2'"),
    "huge int for int": (lambda: op("residual", repeats=10**5000), r"residual\.repeats: a number of more"),
    "huge int for float": (lambda: op("msfm", scales=(10**5000,)), r"msfm\.scales\[0\]: a number of more"),
    "not a number": (lambda: op("msfm", scales=(math.nan,)), r"msfm\.scales\[0\]: nan"),
    "infinite": (lambda: op("msfm", scales=(1, math.inf)), r"msfm\.scales\[1\]: inf"),
    "a number for a list": (lambda: op("msfm", scales=1.0), r"msfm\.scales: expected a list"),
    "no scales": (lambda: op("msfm", scales=()), r"msfm\.scales: expected a list of 1"),
    "too many scales": (lambda: op("msfm", scales=(1.0,) * 9), r"msfm\.scales: expected a list"),
    "not a choice": (lambda: op("conv", act="gelu"), r"conv\.act: 'gelu'"),
    "a list for a choice": (lambda: op("conv", act=["relu"]), r"conv\.act: \['relu'\]"),
    "another part": (lambda: op("bottleneck", msfm=(op("dsa"),)), r"bottleneck\.msfm\[0\]: .*'dsa'"),
    "two modules at a position": (
        lambda: op("bottleneck", msfm=(op("msfm"), op("msfm", ratio=8))),
        r"bottleneck\.msfm: .*'position'",
    ),
    "scale too wide": (lambda: Scale(width=17), r"scale\.width: 17"),
    "scale of no width": (lambda: Scale(output_width=0), r"scale\.output_width: 0"),
    "scale of no head": (lambda: Scale(head_width=0), r"scale\.head_width: 0"),
    "scale of half a repeat": (lambda: Scale(repeats=1.5), r"scale\.repeats: 1\.5"),  # type: ignore[arg-type]
    "scale a bool": (lambda: Scale(repeats=True), r"scale\.repeats: True"),
    "scale not a number": (lambda: Scale(alpha=math.nan), r"scale\.alpha: nan"),
    "no such zoo entry": (lambda: zoo("spinnet-49"), "did you mean 'spinenet-49'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault: str) -> None:
    make, message = FAULTS[fault]
    with pytest.raises(GenotypeError, match=message) as caught:
        make()
    assert len(str(caught.value)) < 500


def test_the_genotype_without_a_fault_is_legal() -> None:
    assert genotype(A, B, outputs=("a", "b")).levels == (3, 4)


def test_an_attribute_at_its_default_equals_an_omitted_one() -> None:
    for implicit, explicit in [
        (op("conv"), op("conv", kernel=3, act="relu", act_first=False)),
        (op("conv"), Op("conv", (("kernel", 3),))),
        (op("bottleneck"), op("bottleneck", msfm=[], repeats=1)),
        (op("msfm"), op("msfm", scales=[0.5, 0.7, 1])),
    ]:
        assert explicit == implicit
        assert explicit.attributes == ()
    first, second = genotype(A), genotype(replace(A, block=op("conv", kernel=3)))
    assert first.key() == second.key()
    assert first.to_json() == second.to_json()


def test_an_operator_has_one_normal_form() -> None:
    assert Op("conv", (("norm", "none"), ("kernel", 5))) == op("conv", kernel=5, norm="none")
    assert str(Op("msfm", (("scales", [2, 1]),))) == str(op("msfm", scales=(1.0, 2.0)))
    two, three = op("msfm", position=2), op("msfm", position=3)
    assert op("bottleneck", msfm=(three, two)) == op("bottleneck", msfm=(two, three))


@pytest.mark.parametrize("name", ZOO)
def test_a_genotype_is_a_value(name: str) -> None:
    value = zoo(name).genotype
    assert value == zoo(name).genotype
    assert len({value, zoo(name).genotype}) == 1
    restored = pickle.loads(pickle.dumps(value))
    assert restored == value
    assert restored.key() == value.key()
    with pytest.raises(FrozenInstanceError):
        value.outputs = ()  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        value.nodes[0].level = 1  # type: ignore[misc]


def test_live_nodes_reach_an_output() -> None:
    dead = node("dead", 5, 64, "b", block=CONV)
    value = genotype(A, B, dead, outputs=("a",))
    assert [n.name for n in value.live] == ["a"]
    assert set(value.to_networkx()) == {"stem2", "a"}


@pytest.mark.parametrize("seed", range(20))
def test_live_nodes_equal_the_ancestors_that_networkx_finds(seed: int) -> None:
    rng = random.Random(seed)
    value = respelled(sample(SPACES["joint"], rng).value, rng)
    graph = nx.DiGraph((edge.source, n.name) for n in value.nodes for edge in n.inputs)
    needed = set(value.outputs).union(*(nx.ancestors(graph, name) for name in value.outputs))
    assert value.live == tuple(n for n in value.nodes if n.name in needed) != value.nodes


@pytest.mark.parametrize("name", ZOO)
def test_the_networkx_graph_is_the_live_graph(name: str) -> None:
    value = zoo(name).genotype
    graph = value.to_networkx()
    assert nx.is_directed_acyclic_graph(graph)
    assert {v for v, data in graph.nodes(data=True) if data["output"]} == set(value.outputs)
    assert {(u, v, data["op"]) for u, v, data in graph.edges(data=True)} == {
        (edge.source, n.name, edge.op) for n in value.live for edge in n.inputs
    }


@pytest.mark.parametrize("name", GOLDEN_KEYS)
def test_keys_are_stable_across_releases(name: str) -> None:
    """A changed key orphans every stored trial. Keys may change only with the version of the format."""
    assert zoo(name).genotype.key() == GOLDEN_KEYS[name]


def test_scales_of_one_topology_share_its_key() -> None:
    assert len({zoo(name).genotype.key() for name in ZOO if name.startswith("spinenet")}) == 1


def test_a_scale_truncates_widths_as_the_official_code_does() -> None:
    scale = Scale(width=0.65, output_width=128)
    assert [scale.channels(width) for width in (64, 128, 256, 1, None)] == [41, 83, 166, 1, 128]
