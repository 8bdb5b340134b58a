"""Canonical form of a labelled directed graph, exact for every graph.

Colour refinement settles nearly every genotype in one pass. What it leaves tied is settled by individualising one
tied vertex at a time and keeping the smallest result (McKay and Piperno 2014, "Practical graph isomorphism II",
section 2), skipping choices that an automorphism already found makes equivalent.
"""

from collections.abc import Sequence

Arc = tuple[int, int, str]
"""(source, target, label)."""


def canonical_form(labels: Sequence[str], arcs: Sequence[Arc]) -> tuple[tuple[str, ...], tuple[Arc, ...]]:
    """Labels and arcs under a numbering that is the same for isomorphic graphs.

    Args:
        labels: label of each vertex.
        arcs: labelled arcs between vertex positions.

    Returns:
        The labels in canonical order and the arcs between canonical positions, sorted. Equal for two graphs if and
        only if a bijection of vertices maps labels and labelled arcs onto each other.
    """
    return _Labelling(labels, arcs).smallest(_ranks(labels))


def _ranks(signatures: Sequence[object]) -> list[int]:
    """Replace signatures by their ranks: equal ones share a rank, order is kept."""
    order = {s: i for i, s in enumerate(sorted(set(signatures)))}  # type: ignore[type-var]
    return [order[s] for s in signatures]


class _Labelling:
    def __init__(self, labels: Sequence[str], arcs: Sequence[Arc]) -> None:
        self.labels, self.arcs = labels, arcs
        names = {name: i for i, name in enumerate(sorted({name for _, _, name in arcs}))}
        self.inputs: list[list[tuple[int, int]]] = [[] for _ in labels]
        self.outputs: list[list[tuple[int, int]]] = [[] for _ in labels]
        for source, target, name in arcs:
            self.inputs[target].append((names[name], source))
            self.outputs[source].append((names[name], target))

    def refine(self, colours: list[int]) -> list[int]:
        """Split colours by the colours around them until nothing splits any more."""
        count = len(set(colours))
        while count < len(colours):
            colours = _ranks(
                [
                    (
                        colours[v],
                        tuple(sorted([(name, colours[u]) for name, u in self.inputs[v]])),
                        tuple(sorted([(name, colours[u]) for name, u in self.outputs[v]])),
                    )
                    for v in range(len(colours))
                ]
            )
            if (now := len(set(colours))) == count:
                break
            count = now
        return colours

    def tied(self, colours: list[int]) -> list[int]:
        """The first set of vertices that refinement cannot tell apart; empty when there is none."""
        cells: dict[int, list[int]] = {}
        for vertex, colour in enumerate(colours):
            cells.setdefault(colour, []).append(vertex)
        return next((cell for _, cell in sorted(cells.items()) if len(cell) > 1), [])

    def individualise(self, colours: list[int], vertex: int) -> list[int]:
        return self.refine(_ranks([(c, v != vertex) for v, c in enumerate(colours)]))

    def dive(self, colours: list[int]) -> tuple[tuple[str, ...], tuple[Arc, ...]]:
        """The form reached by always individualising the first tied vertex."""
        while cell := self.tied(colours):
            colours = self.individualise(colours, cell[0])
        return self.form(colours)

    def smallest(self, colours: list[int]) -> tuple[tuple[str, ...], tuple[Arc, ...]]:
        """The smallest form over all ways to break the ties of `colours`."""
        colours = self.refine(colours)
        cell = self.tied(colours)
        if not cell:
            return self.form(colours)
        forms, dives = [], set()
        for vertex in cell:
            branch = self.individualise(colours, vertex)
            # equal dives are an automorphism between the branches: one of them is enough
            if (reached := self.dive(branch)) not in dives:
                dives.add(reached)
                forms.append(self.smallest(branch))
        return min(forms)

    def form(self, colours: list[int]) -> tuple[tuple[str, ...], tuple[Arc, ...]]:
        place = _ranks(colours)
        labels = [""] * len(place)
        for vertex, position in enumerate(place):
            labels[position] = self.labels[vertex]
        return tuple(labels), tuple(sorted((place[u], place[v], name) for u, v, name in self.arcs))
