"""NAS-FPN: necks of merging cells (Ghiasi et al. 2019, arXiv 1904.07392, section 3), published and searched."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from search_spaces.choose import Chooser
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import Op, op
from search_spaces.spinenet import permutation
from search_spaces.trunk import LEVELS, Trunk, pyramid, resnet

FUSES = ("sum", "attention")
INTERMEDIATE_LEVELS = (4, 5, 6, 7)
_IDENTITY, _RESIZE = op("identity"), op("nearest", down="tiles")
_LATERAL = op("lateral", norm="batch", bias=True)
_CONV = op("conv", act="none", bias=True)


@dataclass(frozen=True, slots=True)
class Cell:
    """A merging cell; inputs are positions in build order, the pyramid's five levels first."""

    level: int
    fuse: str
    inputs: tuple[int, int]
    output: bool = False


PUBLISHED = (
    Cell(4, "attention", (1, 3)),
    Cell(4, "sum", (1, 5)),
    Cell(3, "sum", (0, 6), output=True),
    Cell(4, "sum", (6, 7), output=True),
    Cell(5, "attention", (7, 8), output=True),
    Cell(7, "attention", (6, 9), output=True),
    Cell(6, "attention", (9, 10), output=True),
)
"""The neck found by the paper's search (Figure 6; tf-models `NASFPN_BLOCK_SPECS`)."""


def merge(trunk: Trunk, cells: Sequence[Cell] = PUBLISHED, *, repeats: int = 7, head: Op = op("fcos")) -> Genotype:  # noqa: B008
    """A trunk under `repeats` copies of a neck.

    Convolutions before a norm have a bias, as released. Levels that the trunk lacks are pooled from the next finer.

    Args:
        trunk: source of the neck's inputs.
        cells: the neck, one output for each of levels 3 to 7.
        repeats: copies of the neck in the stack; 7 in the paper's main result.
        head: operator that reads the outputs.
    """
    nodes = pyramid(trunk, lateral=_LATERAL, pool=_RESIZE)
    features = list(nodes)
    for i in range(repeats):
        layer = list(_stack(cells, features, f"r{i}"))
        nodes += layer
        outputs = [node for node, cell in zip(layer, cells, strict=True) if cell.output]
        features = sorted(outputs, key=lambda node: node.level)
    return Genotype(trunk.stem, (*trunk.nodes, *nodes), tuple(node.name for node in features), head)


def _stack(cells: Sequence[Cell], pyramid: Sequence[Node], name: str) -> Iterator[Node]:
    """One copy of the neck. An output also adds the unread features of its level."""
    features = list(pyramid)
    read: set[str] = set()
    for cell in cells:
        sources = [features[i] for i in cell.inputs]
        if cell.fuse == "attention":  # the coarser map is the gate, as in Google's code; in mmdet the second one is
            sources.sort(key=lambda node: -node.level)
        read.update(node.name for node in sources)
        if cell.output:
            unread = [node for node in features if node.level == cell.level and node.name not in read]
            sources += unread
            read.update(node.name for node in unread)
        edges = tuple(Edge(n.name, _IDENTITY if n.level == cell.level else _RESIZE) for n in sources)
        node = Node(f"{name}_{len(features)}", cell.level, None, edges, op(cell.fuse, act="relu"), _CONV)
        features.append(node)
        yield node


@dataclass(frozen=True)
class NasFpnSpace:
    """The published space of merging cells (section 3.2), over any trunk.

    Every cell merges two distinct earlier features. Decisions: the levels of the intermediate cells, and the order of
    the outputs, one per level. Decisions about an output are named after its level and move with it.

    Attributes:
        trunk: source of the neck's inputs.
        intermediate: cells before the outputs; 2 in the paper's neck of 7.
        repeats: copies of the neck in the stack; 3 in the paper's proxy.
    """

    name: str = "nas-fpn"
    trunk: Trunk = resnet(50)  # noqa: RUF009 - a frozen value
    intermediate: int = 2
    repeats: int = 3

    def build(self, choose: Chooser, /) -> Genotype:
        return merge(self.trunk, self.cells(choose), repeats=self.repeats)

    def cells(self, choose: Chooser) -> list[Cell]:
        """Choose one copy of the neck."""
        cells = []
        for i in range(self.intermediate):
            level = choose(f"intermediate{i}.level", INTERMEDIATE_LEVELS)
            cells.append(_cell(choose, f"intermediate{i}", level, len(LEVELS) + i))
        for k in permutation(choose, "output", len(LEVELS)):
            cells.append(_cell(choose, f"output{k}", LEVELS[k], len(LEVELS) + len(cells), output=True))
        return cells


def _cell(choose: Chooser, name: str, level: int, position: int, *, output: bool = False) -> Cell:
    fuse = choose(f"{name}.fuse", FUSES)
    pairs = tuple(combinations(range(position), 2))
    return Cell(level, fuse, choose(f"position{position}.inputs", pairs), output)
