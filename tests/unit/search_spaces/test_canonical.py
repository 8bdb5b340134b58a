"""Canonical forms are equal if and only if graphs are isomorphic, regular graphs included."""

import itertools
import random
from collections.abc import Sequence

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networkx.algorithms.isomorphism import categorical_multiedge_match, categorical_node_match

from search_spaces.canonical import Arc, canonical_form

Graph = tuple[list[str], list[Arc]]


def undirected(n: int, edges: Sequence[tuple[int, int]]) -> Graph:
    return ["x"] * n, [(a, b, "") for a, b in edges] + [(b, a, "") for a, b in edges]


def isomorphic(first: Graph, second: Graph) -> bool:
    graphs = []
    for labels, arcs in (first, second):
        graph = nx.MultiDiGraph()
        graph.add_nodes_from((v, {"label": label}) for v, label in enumerate(labels))
        graph.add_edges_from((u, v, {"label": name}) for u, v, name in arcs)
        graphs.append(graph)
    return nx.is_isomorphic(*graphs, categorical_node_match("label", ""), categorical_multiedge_match("label", ""))


def shuffled(graph: Graph, rng: random.Random) -> Graph:
    labels, arcs = graph
    place = rng.sample(range(len(labels)), len(labels))
    moved = [""] * len(labels)
    for vertex, position in enumerate(place):
        moved[position] = labels[vertex]
    return moved, rng.sample([(place[u], place[v], name) for u, v, name in arcs], len(arcs))


@st.composite
def graphs(draw: st.DrawFn, n: int) -> Graph:
    """Labelled graphs of `n` vertices, mostly regular: unions of a few permutations."""
    labels = draw(st.lists(st.sampled_from("xxxy"), min_size=n, max_size=n))
    arcs = {
        (v, target, name)
        for name in draw(st.lists(st.sampled_from(["", "", "r"]), max_size=3))
        for v, target in enumerate(draw(st.permutations(range(n))))
    }
    return labels, sorted(arcs)


@settings(max_examples=300)
@given(st.integers(1, 6).flatmap(lambda n: st.tuples(graphs(n), graphs(n))))
def test_forms_are_equal_if_and_only_if_graphs_are_isomorphic(pair: tuple[Graph, Graph]) -> None:
    first, second = pair
    assert (canonical_form(*first) == canonical_form(*second)) == isomorphic(first, second)


@settings(max_examples=200)
@given(st.integers(1, 9).flatmap(graphs), st.randoms(use_true_random=False))
def test_a_form_does_not_depend_on_the_numbering(graph: Graph, rng: random.Random) -> None:
    assert canonical_form(*shuffled(graph, rng)) == canonical_form(*graph)


def test_graphs_of_four_vertices_have_the_known_number_of_forms() -> None:
    """11 undirected and 218 directed graphs of four vertices (OEIS A000088, A000273)."""
    pairs = list(itertools.combinations(range(4), 2))
    subsets = itertools.chain.from_iterable(itertools.combinations(pairs, k) for k in range(7))
    assert len({canonical_form(*undirected(4, edges)) for edges in subsets}) == 11
    arcs = [(u, v, "") for u, v in itertools.permutations(range(4), 2)]
    directed = itertools.chain.from_iterable(itertools.combinations(arcs, k) for k in range(13))
    assert len({canonical_form(["x"] * 4, chosen) for chosen in directed}) == 218


def cycles(*lengths: int) -> Graph:
    edges, start = [], 0
    for length in lengths:
        edges += [(start + i, start + (i + 1) % length) for i in range(length)]
        start += length
    return undirected(start, edges)


def prism(n: int) -> Graph:
    ring = [(i, (i + 1) % n) for i in range(n)]
    return undirected(2 * n, ring + [(a + n, b + n) for a, b in ring] + [(i, i + n) for i in range(n)])


def mobius(n: int) -> Graph:
    return undirected(2 * n, [(i, (i + 1) % (2 * n)) for i in range(2 * n)] + [(i, i + n) for i in range(n)])


def rook() -> Graph:
    cells = list(itertools.product(range(4), repeat=2))
    return undirected(
        16,
        [(cells.index(a), cells.index(b)) for a, b in itertools.combinations(cells, 2) if a[0] == b[0] or a[1] == b[1]],
    )


def shrikhande() -> Graph:
    steps = [(0, 1), (1, 0), (1, 1)]
    return undirected(
        16, [(4 * i + j, 4 * ((i + a) % 4) + (j + b) % 4) for i in range(4) for j in range(4) for a, b in steps]
    )


def disjoint_union(first: Graph, second: Graph) -> Graph:
    shift = len(first[0])
    return first[0] + second[0], first[1] + [(u + shift, v + shift, name) for u, v, name in second[1]]


def parity_gadgets(n: int, *, twisted: bool) -> Graph:
    """Cai, Fürer and Immerman's graphs over the Möbius ladder of `n` vertices; refinement cannot separate them."""
    ladder = [(i, (i + 1) % n) for i in range(n)] + [(i, i + n // 2) for i in range(n // 2)]
    ends = {(edge, bit): 2 * i + bit for i, edge in enumerate(ladder) for bit in (0, 1)}
    labels, arcs = ["end"] * len(ends), []
    for vertex in range(n):
        edges = [edge for edge in ladder if vertex in edge]
        for bits in itertools.product((0, 1), repeat=len(edges)):
            if sum(bits) % 2 == (twisted and vertex == 0):
                arcs += [(len(labels), ends[edge, bit], "") for edge, bit in zip(edges, bits, strict=True)]
                labels.append("gadget")
    return labels, arcs


REFINEMENT_FAILS = {
    "two triangles or a hexagon": (cycles(3, 3), cycles(6)),
    "cycles of 4 and 6 or 5 and 5": (cycles(4, 6), cycles(5, 5)),
    "prism or Möbius ladder": (prism(5), mobius(5)),
    "cycles of many lengths": (cycles(3, 3, 4, 4, 5, 5), cycles(3, 4, 5, 12)),
    "rook or Shrikhande": (rook(), shrikhande()),
    "unions of rook and Shrikhande": (
        disjoint_union(disjoint_union(rook(), shrikhande()), shrikhande()),
        disjoint_union(disjoint_union(rook(), rook()), rook()),
    ),
    "parity gadgets": (parity_gadgets(8, twisted=False), parity_gadgets(8, twisted=True)),
}


@pytest.mark.parametrize("name", REFINEMENT_FAILS)
def test_regular_graphs_have_distinct_and_stable_forms(name: str) -> None:
    first, second = REFINEMENT_FAILS[name]
    rng = random.Random(0)
    assert canonical_form(*first) != canonical_form(*second)
    for graph in (first, second):
        assert {canonical_form(*shuffled(graph, rng)) for _ in range(25)} == {canonical_form(*graph)}
