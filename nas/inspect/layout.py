"""Layout of a drawn genotype, in inches: geometry without plotting."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from nas.inspect.route import HEAD, Link, Trunk, find_columns, find_lanes, find_links, find_tracks, live_items
from search_spaces.genotype import Genotype, Node
from search_spaces.ops import Op, StemMap

ROW, BOX_WIDTH, BOX_HEIGHT = 0.88, 0.54, 0.42
BADGE = 0.085
"""Radius of the badge of a box's fuse operator."""
_LANE, _TRACK = 0.075, 0.075
"""Distances between lanes of a row, and between tracks in a gap."""
_TURN, _ENTRY = 0.14, 0.13
"""Room to turn from a lane or a track, and to enter a box."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A map of the genotype, centred at (x, y)."""

    item: Node | StemMap
    x: float
    y: float

    @property
    def inputs(self) -> int:
        return len(self.item.inputs) if isinstance(self.item, Node) else 0


@dataclass(frozen=True, slots=True)
class Arrow:
    """A connection. The curve is horizontal at each of its knots."""

    knots: tuple[Point, ...]
    way: int
    """1 to a coarser level, -1 to a finer one, 0 along a level."""
    op: Op | None
    """Resample operator; None for a link to the head."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes by name and arrows by source; (0, 0) is the lower left corner of the rows and columns."""

    boxes: dict[str, Box]
    arrows: dict[str, list[Arrow]]
    levels: range
    width: float
    """x of the head's left edge."""


def layout(genotype: Genotype) -> Layout:
    """Lay out the live part of a genotype."""
    items = live_items(genotype)
    columns = find_columns(genotype)
    links = list(find_links(genotype, columns))
    lanes = find_lanes(links, [(item.level, columns[name]) for name, item in items.items()])
    tracks = find_tracks(links, lanes)
    lefts = _lefts(max(columns.values()) + 1, tracks)
    levels = range(min(i.level for i in items.values()), max(i.level for i in items.values()) + 1)
    boxes = {
        name: Box(item, lefts[columns[name]] + BOX_WIDTH / 2, (item.level - levels[0] + 0.5) * ROW)
        for name, item in items.items()
    }
    return Layout(boxes, _Router(boxes, lanes, tracks, lefts).arrows(links), levels, lefts[-1])


def _lefts(head: int, tracks: dict[int, list[Trunk]]) -> list[float]:
    """Left edges of the columns, and of the head at the end; the gap before each has room for its tracks."""
    gaps = [_TURN + _ENTRY + max(_TRACK * len(tracks.get(column, ())), 0.05) for column in range(1, head)]
    return list(accumulate([BOX_WIDTH + gap for gap in (*gaps, 0.6)], initial=0.12))


@dataclass(frozen=True)
class _Router:
    boxes: dict[str, Box]
    lanes: dict[Trunk, int]
    tracks: dict[int, list[Trunk]]
    lefts: list[float]

    def arrows(self, links: list[Link]) -> dict[str, list[Arrow]]:
        into: dict[str, list[Link]] = {}
        for link in sorted(links, key=self.run):
            into.setdefault(link.target, []).append(link)
        arrows: dict[str, list[Arrow]] = {}
        for link in links:
            end = self.end(link, into[link.target])
            arrows.setdefault(link.source, []).append(Arrow((*self.way(link, end[1]), end), link.way, link.op))
        return arrows

    def run(self, link: Link) -> float:
        """The height at which a link runs."""
        lane = 0 if link.adjacent else self.lanes[link.trunk]
        return self.boxes[link.source].y + math.copysign(bool(lane) * (BOX_HEIGHT / 2 + _LANE * abs(lane)), lane)

    def end(self, link: Link, entering: list[Link]) -> Point:
        """Entry point of a link: at the edge of the box or of its badge, higher links above lower ones."""
        left = self.lefts[link.columns[1]]
        if link.target == HEAD:
            return left, self.boxes[link.source].y
        step = min(0.7 * BADGE, 1.6 * BADGE / len(entering))
        rise = (entering.index(link) - (len(entering) - 1) / 2) * step
        reach = math.sqrt(BADGE**2 - rise**2) if len(entering) > 1 else 0.0
        return left - reach, self.boxes[link.target].y + rise

    def way(self, link: Link, height: float) -> Iterator[Point]:
        """All knots except the last, which lies at `height`."""
        source, run = self.boxes[link.source], self.run(link)
        start, turned = source.x + BOX_WIDTH / 2, self.lefts[link.columns[1]] - _ENTRY
        yield start, source.y
        if run != source.y:
            yield start + 2 * _TURN, run
        tracks = self.tracks.get(link.columns[1], [])
        if link.trunk in tracks:
            turned -= _TRACK * (len(tracks) - 1 - tracks.index(link.trunk))
        yield turned - _TURN, run
        yield turned, height
