"""Routing of a drawn genotype's connections: along rows, lanes and tracks, never across a box.

A link leaves its source to the right, runs along the source's row, or in a lane next to the row if a box blocks it,
and climbs or falls in a track of the gap before its target's column. Links of one source in the same direction share
row, lane and track, and branch off one another.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from search_spaces.genotype import Genotype, Node
from search_spaces.ops import Op, StemMap, stem_maps

HEAD = "head"
"""Name of the head as a target."""
Trunk = tuple[str, int]
"""A source, and the direction of its links (`Link.way`)."""


@dataclass(frozen=True, slots=True)
class Link:
    """A connection, in integer columns and levels."""

    source: str
    target: str
    columns: tuple[int, int]
    levels: tuple[int, int]
    op: Op | None
    """Resample operator; None for a link to the head."""

    @property
    def way(self) -> int:
        """1 to a coarser level, -1 to a finer one, 0 along a level."""
        return (self.levels[1] > self.levels[0]) - (self.levels[1] < self.levels[0])

    @property
    def trunk(self) -> Trunk:
        return self.source, self.way

    @property
    def adjacent(self) -> bool:
        return self.columns[1] - self.columns[0] == 1


def live_items(genotype: Genotype) -> dict[str, Node | StemMap]:
    """The drawn maps by name: the stem's maps, then the live nodes in build order."""
    stem: dict[str, Node | StemMap] = {stem_map.name: stem_map for stem_map in stem_maps(genotype.stem)}
    return stem | {node.name: node for node in genotype.live}


def find_columns(genotype: Genotype) -> dict[str, int]:
    """Columns in build order. Consecutive nodes share a column if they differ in level and none reads another."""
    columns = {stem_map.name: 0 for stem_map in stem_maps(genotype.stem)}
    here: list[Node] = []
    last = 0
    for node in genotype.live:
        names, levels = {n.name for n in here}, {n.level for n in here}
        fits = here and node.level not in levels and not any(edge.source in names for edge in node.inputs)
        here = [*here, node] if fits else [node]
        last += not fits
        columns[node.name] = last
    return columns


def find_links(genotype: Genotype, columns: Mapping[str, int]) -> Iterator[Link]:
    """Every connection to a live node, then those of the outputs to the head."""
    items = live_items(genotype)
    for node in genotype.live:
        for edge in node.inputs:
            levels = items[edge.source].level, node.level
            yield Link(edge.source, node.name, (columns[edge.source], columns[node.name]), levels, edge.op)
    end = max(columns.values()) + 1
    for name, level in zip(genotype.outputs, genotype.levels, strict=True):
        yield Link(name, HEAD, (columns[name], end), (level, level), None)


def find_lanes(links: Sequence[Link], occupied: Sequence[tuple[int, int]]) -> dict[Trunk, int]:
    """The lane of each trunk that extends past the next column: 0 is the row, 1, 2 .. lie above, -1, -2 .. below.

    Args:
        occupied: (level, column) of every box.
    """
    spans: dict[Trunk, tuple[int, int, int]] = {}
    for link in links:
        if not link.adjacent:
            reach = max(link.columns[1], spans.get(link.trunk, (0, 0, 0))[2])
            spans[link.trunk] = link.levels[0], link.columns[0], reach
    lanes: dict[Trunk, int] = {}
    taken: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for trunk, (level, first, last) in sorted(spans.items(), key=_along_the_row_first):
        blocked = any(row == level and first < column < last for row, column in occupied)
        lane = 0
        while (not lane and blocked) or any(first < b and a < last for a, b in taken.get((level, lane), ())):
            lane += trunk[1] or 1
        taken.setdefault((level, lane), []).append((first, last))
        lanes[trunk] = lane
    return lanes


def _along_the_row_first(span: tuple[Trunk, tuple[int, int, int]]) -> tuple[bool, int]:
    """Sort key: links along a level get the row first; then shorter spans get nearer lanes."""
    (_, way), (_, first, last) = span
    return way != 0, last - first


def find_tracks(links: Sequence[Link], lanes: Mapping[Trunk, int]) -> dict[int, list[Trunk]]:
    """For each column, the trunks that climb or fall in the gap before it, from left to right.

    Without crossings: climbing trunks turn from the highest down, falling trunks from the lowest up.
    """
    tracks: dict[int, dict[Trunk, tuple[bool, int, int]]] = {}
    for link in links:
        lane = 0 if link.adjacent else lanes[link.trunk]
        if link.way or lane:
            order = (link.way > 0, -(link.way or -1) * link.levels[0], -(link.way or -1) * lane)
            tracks.setdefault(link.columns[1], {})[link.trunk] = order
    return {column: sorted(trunks, key=trunks.__getitem__) for column, trunks in tracks.items()}
