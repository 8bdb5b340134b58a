"""Canonical form of a labelled directed graph, exact for every graph that it accepts.

Colour refinement distinguishes the vertices of nearly every genotype in one pass. Remaining ties are broken by
individualising one tied vertex at a time and keeping the smallest result (McKay and Piperno 2014, "Practical graph
isomorphism II", section 2). Branches equivalent under an automorphism found earlier are pruned.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from search_spaces.ops import GenotypeError

Arc = tuple[int, int, str]
"""(source, target, label)."""
Form = tuple[tuple[str, ...], tuple[Arc, ...]]

BUDGET = 10_000_000
"""Work limit in neighbours visited, some seconds; a graph that exceeds it is rejected. Genotypes here need hundreds."""


def canonical_form(labels: Sequence[str], arcs: Sequence[Arc]) -> Form:
    """Labels and arcs under a numbering that is the same for isomorphic graphs.

    Args:
        labels: label of each vertex.
        arcs: labelled arcs between vertex positions.

    Returns:
        The labels in canonical order and the arcs between canonical positions, sorted. Equal for two graphs if and
        only if a bijection of vertices maps labels and labelled arcs onto each other.

    Raises:
        GenotypeError: the graph is so regular that breaking its ties exceeds `BUDGET`.
    """
    return _Search(labels, arcs).run()


@dataclass(frozen=True)
class _Colouring:
    """A vertex's colour is the number of vertices of lower colours; `ties` lists the vertices of each shared colour."""

    colours: list[int]
    ties: dict[int, list[int]]


@dataclass(frozen=True)
class _Leaf:
    """A numbering of the vertices and the graph under it."""

    place: list[int]
    form: Form


class _Search:
    def __init__(self, labels: Sequence[str], arcs: Sequence[Arc]) -> None:
        self.labels, self.arcs = labels, arcs
        self.work = 0
        self.automorphisms: list[Mapping[int, int]] = []
        names = {name: i for i, name in enumerate(sorted({name for _, _, name in arcs}))}
        # each neighbour comes with a code of direction and label, a multiple of len(labels): a colour can be added
        self.around: list[list[tuple[int, int]]] = [[] for _ in labels]
        for source, target, name in arcs:
            self.around[target].append((2 * names[name] * len(labels), source))
            self.around[source].append(((2 * names[name] + 1) * len(labels), target))

    def run(self) -> Form:
        vertices = list(range(len(self.labels)))
        colouring = _Colouring([0] * len(vertices), {0: vertices} if len(vertices) > 1 else {})
        # twins (equal label and neighbours) are interchangeable: number them in any order
        twins: Counter[tuple[object, ...]] = Counter()
        signatures = []
        for label, around in zip(self.labels, self.around, strict=True):
            signature = (label, *sorted(around))
            signatures.append((label, twins[signature]))
            twins[signature] += 1
        _split(colouring, 0, dict(enumerate(signatures)))
        self.refine(colouring, vertices)
        return self.search(colouring)[1].form

    def search(self, colouring: _Colouring) -> tuple[_Leaf, _Leaf]:
        """The first and the smallest leaf of the search tree below a colouring."""
        if not colouring.ties:
            return (self.leaf(colouring),) * 2
        first = smallest = None
        reached: dict[Form, _Leaf] = {}
        orbits, explored, known = _Orbits(), list[int](), 0
        for vertex in colouring.ties[min(colouring.ties)]:
            for moved in self.automorphisms[known:]:
                orbits.join(moved, colouring.colours)
            known = len(self.automorphisms)
            if orbits.find(vertex) in {orbits.find(v) for v in explored}:
                continue
            branch = self.individualise(colouring, vertex)
            if first and (twin := reached.get((leaf := self.dive(branch)).form)):
                self.automorphisms.append(_automorphism(twin.place, leaf.place))
                continue
            explored.append(vertex)
            ends = self.search(branch)
            reached.update((end.form, end) for end in ends)
            first = first or ends[0]
            smallest = min(smallest or ends[1], ends[1], key=lambda end: end.form)
        assert first
        assert smallest
        return first, smallest

    def dive(self, colouring: _Colouring) -> _Leaf:
        """The leaf found by always individualising the first tied vertex."""
        while colouring.ties:
            colouring = self.individualise(colouring, colouring.ties[min(colouring.ties)][0])
        return self.leaf(colouring)

    def individualise(self, colouring: _Colouring, vertex: int) -> _Colouring:
        """Give `vertex` a colour of its own, above the vertices it was tied with, and refine."""
        self.spend(len(self.labels) // 8)
        child = _Colouring(colouring.colours.copy(), colouring.ties.copy())
        colour = child.colours[vertex]
        self.refine(child, _split(child, colour, {v: v == vertex for v in child.ties[colour]}))
        return child

    def refine(self, colouring: _Colouring, changed: list[int]) -> None:
        """Split colours by the colours of their neighbours until the colouring is stable."""
        colours = colouring.colours
        while changed and colouring.ties:
            near = {colours[u] for v in changed for _, u in self.around[v]} & colouring.ties.keys()
            self.spend(sum(len(self.around[v]) for v in changed))
            changed = []
            for colour in sorted(near):
                cell = colouring.ties[colour]
                self.spend(sum(len(self.around[v]) for v in cell))
                changed += _split(
                    colouring, colour, {v: sorted([code + colours[u] for code, u in self.around[v]]) for v in cell}
                )

    def leaf(self, colouring: _Colouring) -> _Leaf:
        self.spend(len(self.arcs))
        place = colouring.colours
        labels = [""] * len(place)
        for vertex, position in enumerate(place):
            labels[position] = self.labels[vertex]
        return _Leaf(place, (tuple(labels), tuple(sorted((place[u], place[v], name) for u, v, name in self.arcs))))

    def spend(self, work: int) -> None:
        self.work += work
        if self.work > BUDGET:
            raise GenotypeError(f"too symmetric to compare: {len(self.labels)} nodes exceed the work limit")


def _split(colouring: _Colouring, colour: int, signatures: Mapping[int, Any]) -> list[int]:
    """Split a colour by its vertices' signatures; return the vertices whose colour changed."""
    colours, ties = colouring.colours, colouring.ties
    cell = sorted(signatures, key=signatures.__getitem__)
    if not cell or signatures[cell[0]] == signatures[cell[-1]]:
        return []
    del ties[colour]
    start, changed = colour, list[int]()
    for _, group in groupby(cell, key=signatures.__getitem__):
        alike = list(group)
        if start > colour:
            changed += alike
        for vertex in alike:
            colours[vertex] = start
        if len(alike) > 1:
            ties[start] = alike
        start += len(alike)
    return changed


def _automorphism(first: Sequence[int], second: Sequence[int]) -> Mapping[int, int]:
    """The automorphism between two numberings that give the same graph: vertex -> image, fixed points left out."""
    at = {position: vertex for vertex, position in enumerate(second)}
    return {vertex: at[position] for vertex, position in enumerate(first) if at[position] != vertex}


class _Orbits:
    """Orbits of the vertices under the automorphisms that preserve a colouring (union-find)."""

    def __init__(self) -> None:
        self.parent: dict[int, int] = {}

    def find(self, vertex: int) -> int:
        while (up := self.parent.get(vertex, vertex)) != vertex:
            vertex = up
        return vertex

    def join(self, moved: Mapping[int, int], colours: Sequence[int]) -> None:
        if all(colours[u] == colours[v] for u, v in moved.items()):
            for u, v in moved.items():
                self.parent[self.find(u)] = self.find(v)
