"""Keys are equal if and only if networks are, compared with isomorphism by networkx."""

import itertools
import os
import random
import subprocess
import sys
from dataclasses import replace

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces import canonical
from search_spaces.canonical import Arc
from search_spaces.choose import sample
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import GenotypeError, op
from search_spaces.registry import SPACES
from search_spaces.zoo import ZOO, zoo
from tests.support import respelled

Graph = tuple[list[str], list[Arc]]

STEM, HEAD, LATERAL, CONV, CONCAT = op("resnet_stem"), op("fcos"), op("lateral"), op("conv"), op("concat")
OTHER_EDGE = op("lateral", norm="batch")


# Genotypes


@st.composite
def alike_genotypes(draw: st.DrawFn) -> Genotype:
    """Few nodes of one level and width, two edge operators and two fusions, so that ties are common."""
    names = ["stem2"]
    nodes = []
    for i in range(draw(st.integers(1, 7))):
        sources = draw(st.lists(st.sampled_from(names[-4:]), min_size=1, max_size=3, unique=True))
        edges = tuple(Edge(source, draw(st.sampled_from((LATERAL, LATERAL, OTHER_EDGE)))) for source in sources)
        fuse = CONCAT if len(edges) > 1 and draw(st.booleans()) else op("sum")
        nodes.append(Node(f"n{i}", 2, 8, edges, fuse, CONV))
        names.append(f"n{i}")
    outputs = nodes[-1].name
    if draw(st.booleans()):  # join all unread nodes, so that several branches are live
        read = {edge.source for n in nodes for edge in n.inputs}
        loose = tuple(Edge(n.name, LATERAL) for n in nodes if n.name not in read)
        nodes.append(Node("end", 2, 8, loose, block=CONV))
        outputs = "end"
    return Genotype(STEM, tuple(nodes), (outputs,), HEAD)


@st.composite
def any_genotypes(draw: st.DrawFn) -> Genotype:
    space = draw(st.sampled_from(sorted(SPACES)))
    return sample(SPACES[space], random.Random(draw(st.integers(0, 10**9)))).value


@settings(max_examples=150)
@given(alike_genotypes() | any_genotypes(), st.randoms(use_true_random=False))
def test_names_order_and_dead_nodes_do_not_change_the_key(genotype: Genotype, rng: random.Random) -> None:
    assert respelled(genotype, rng).key() == genotype.key()


@pytest.mark.parametrize("name", ZOO)
def test_a_respelled_zoo_genotype_keeps_its_key(name: str) -> None:
    genotype = zoo(name).genotype
    assert {respelled(genotype, random.Random(seed)).key() for seed in range(10)} == {genotype.key()}


def same_network(first: Genotype, second: Genotype) -> bool:
    """Whether networkx finds the graphs isomorphic; edges carry the order of a concatenation."""
    graphs = []
    for genotype in (first, second):
        graph = genotype.to_networkx()
        for node in genotype.live:
            graph.nodes[node.name]["node"] = replace(node, name="", inputs=())
            for i, edge in enumerate(node.inputs):
                graph.edges[edge.source, node.name]["place"] = node.fuse.spec.ordered and min(i, node.fuse.spec.ordered)
        graphs.append(graph)
    return (first.stem, first.head) == (second.stem, second.head) and nx.is_isomorphic(
        *graphs, lambda a, b: a == b, lambda a, b: a == b
    )


@settings(max_examples=300)
@given(alike_genotypes(), alike_genotypes())
def test_keys_are_equal_if_and_only_if_networks_are(first: Genotype, second: Genotype) -> None:
    assert (first.key() == second.key()) == same_network(first, second)


@settings(max_examples=150)
@given(alike_genotypes(), st.data())
def test_a_small_change_changes_the_key_with_the_network(genotype: Genotype, data: st.DataObject) -> None:
    """The genotypes differ in one edge's operator, one fusion or one order of inputs."""
    i = data.draw(st.integers(0, len(genotype.nodes) - 1))
    node = genotype.nodes[i]
    first = node.inputs[0]
    swapped = replace(first, op=LATERAL if first.op == OTHER_EDGE else OTHER_EDGE)
    changed = data.draw(
        st.sampled_from(
            [replace(node, inputs=(swapped, *node.inputs[1:])), replace(node, inputs=node.inputs[::-1])]
            + ([replace(node, fuse=op("asff"))] if len(node.inputs) > 1 else [])
        )
    )
    other = replace(genotype, nodes=(*genotype.nodes[:i], changed, *genotype.nodes[i + 1 :]))
    assert (genotype.key() == other.key()) == same_network(genotype, other)


def _two(fuse: str, *sources: str) -> str:
    a, b = (
        Node("a", 2, 8, (Edge("stem2", LATERAL),), block=CONV),
        Node("b", 2, 8, (Edge("stem2", LATERAL),), block=op("residual")),
    )
    c = Node("c", 2, 8, tuple(Edge(s, LATERAL) for s in sources), op(fuse), CONV)
    return Genotype(STEM, (a, b, c), ("c",), HEAD).key()


@pytest.mark.parametrize("fuse", ["sum", "fast", "asff", "attention", "concat"])
def test_the_order_of_inputs_changes_the_key_of_an_ordered_fusion(fuse: str) -> None:
    assert (_two(fuse, "a", "b") == _two(fuse, "b", "a")) == (not op(fuse).spec.ordered)


def test_the_order_of_an_attention_s_added_inputs_does_not_change_the_key() -> None:
    sources = [
        Node(name, 2, 8, (Edge("stem2", LATERAL),), block=op("conv", kernel=k)) for k, name in ((1, "a"), (3, "b"))
    ]
    more = [Node(name, 2, 8, (Edge("stem2", LATERAL),), block=op("conv", kernel=k)) for k, name in ((5, "c"), (7, "d"))]

    def key(*names: str) -> str:
        end = Node("end", 2, 8, tuple(Edge(name, LATERAL) for name in names), op("attention"))
        return Genotype(STEM, (*sources, *more, end), ("end",), HEAD).key()

    assert key("a", "b", "c", "d") == key("a", "b", "d", "c") != key("b", "a", "c", "d")


@pytest.mark.parametrize(
    "changes",
    [
        {"stem": op("resnet_stem", act="silu")},
        {"stem": op("resnet_stem", width=32)},
        {"head": op("fcos", attention=(op("dsa"),))},
        {"head": op("fcos", attention=(op("dsa", min_level=5),))},
        {"outputs": ("p3", "p4", "p5", "p6")},
        {"outputs": ("p4", "p5", "p6", "p7")},
    ],
    ids=str,
)
def test_stem_head_and_outputs_change_the_key(changes: dict[str, object]) -> None:
    genotype = zoo("fpn").genotype
    assert replace(genotype, **changes).key() != genotype.key()  # type: ignore[arg-type]


def _ladder(level: int, width: int, output: str) -> str:
    """The key of two nodes on a level and one on the next; `output` names the finer output, a or b."""
    a = Node("a", level, width, (Edge("stem2", LATERAL),))
    b = Node("b", level, width, (Edge("a", LATERAL),))
    c = Node("c", level + 1, width, (Edge("b", LATERAL),))
    return Genotype(STEM, (a, b, c), (output, "c"), HEAD).key()


def test_levels_widths_and_the_choice_of_outputs_change_the_key() -> None:
    assert len({_ladder(level, width, output) for level in (2, 3) for width in (8, 16) for output in "ab"}) == 8


def test_keys_are_the_same_in_another_process() -> None:
    code = "from search_spaces.zoo import ZOO, zoo; print([zoo(name).genotype.key() for name in ZOO])"
    here = str([zoo(name).genotype.key() for name in ZOO])
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=300
        )
        assert done.stdout.strip() == here


# Time


def chains(count: int, length: int, *, crossed: bool = False) -> Genotype:
    """Parallel chains of equal nodes from the stem to one sum; if `crossed`, nodes also read the next chain."""
    nodes = []
    for j, i in itertools.product(range(length), range(count)):
        sources = {f"n{i}-{j - 1}", f"n{(i + 1) % count if crossed else i}-{j - 1}"} if j else {"stem2"}
        nodes.append(Node(f"n{i}-{j}", 2, 8, tuple(Edge(s, LATERAL) for s in sorted(sources)), block=CONV))
    ends = tuple(Edge(f"n{i}-{length - 1}", LATERAL) for i in range(count))
    return Genotype(STEM, (*nodes, Node("end", 2, 8, ends)), ("end",), HEAD)


SYMMETRIC = {
    "64 twins": (64, 1, False),
    "a fan of 256": (256, 1, False),
    "20 chains of 5": (20, 5, False),
    "120 chains of 4": (120, 4, False),
    "2 chains of 255": (2, 255, False),
    "30 crossed chains of 17": (30, 17, True),
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_genotypes_have_a_key_after_little_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical, "BUDGET", 3_000_000)  # 120 chains take 2.4 million, others at most 240,000
    count, length, crossed = SYMMETRIC[name]
    genotype = chains(count, length, crossed=crossed)
    key = genotype.key()
    if len(genotype.nodes) < 200:
        assert respelled(genotype, random.Random(1)).key() == key


def test_a_too_symmetric_genotype_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical, "BUDGET", 10_000)
    with pytest.raises(GenotypeError, match="too symmetric"):
        chains(20, 5).key()
