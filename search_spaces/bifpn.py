"""BiFPN: weighted fusion in a top-down and a bottom-up path, repeated (EfficientDet, arXiv 1911.09070, section 3)."""

from collections.abc import Iterator, Mapping

from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import Op, op
from search_spaces.trunk import LEVELS, Trunk

_FUSE = op("fast", act="silu")
_CONV = op("separable", bias=True)
_LATERAL = op("lateral", norm="batch", bias=True)
_IDENTITY, _RESIZE = op("identity"), op("nearest")

Edges = Mapping[int, Edge]
"""Level -> the edge by which its feature enters a layer; every use is a separate edge with its own weights."""


def bifpn(trunk: Trunk, *, depth: int = 3, head: Op = op("fcos")) -> Genotype:  # noqa: B008 - a frozen value
    """A trunk under `depth` BiFPN layers of the scale's output width.

    Levels above the trunk are pooled from its coarsest map, brought to the output width. Each edge of the first
    layer brings a trunk map to that width by its own 1x1 convolution and norm, as in the released code.

    Args:
        trunk: source of the neck's inputs.
        depth: number of layers; 3 to 8 in EfficientDet-D0 to D7 (section 4.2).
        head: operator that reads the outputs.
    """
    extra = list(_above(trunk))
    entries: Edges = {
        **{level: Edge(name, _LATERAL) for level, name in trunk.maps},
        **{node.level: Edge(node.name, _IDENTITY) for node in extra},
    }
    nodes = extra
    for i in range(depth):
        layer = list(_layer(entries, f"r{i}"))
        nodes += layer
        entries = {node.level: Edge(node.name, _IDENTITY) for node in layer if node.name.endswith("out")}
    outputs = tuple(entries[level].source for level in LEVELS)
    return Genotype(trunk.stem, (*trunk.nodes, *nodes), outputs, head)


def _above(trunk: Trunk) -> Iterator[Node]:
    """Nodes for the levels that the trunk lacks."""
    top, source = trunk.maps[-1]
    lateral = _LATERAL
    for level in range(top + 1, LEVELS[-1] + 1):
        yield Node(f"f{level}", level, None, (Edge(source, lateral),))
        source, lateral = f"f{level}", _RESIZE


def _layer(entries: Edges, name: str) -> Iterator[Node]:
    """Top-down, then bottom-up path (Figure 3d); the end levels have one input less, no node has a single input."""
    finest, coarsest = LEVELS[0], LEVELS[-1]
    above, down = entries[coarsest], dict[int, Edge]()
    for level in reversed(LEVELS[1:-1]):
        node = _node(f"{name}_{level}td", level, entries[level], _resized(above))
        above = down[level] = Edge(node.name, _IDENTITY)
        yield node
    below = _node(f"{name}_{finest}out", finest, entries[finest], _resized(above))
    yield below
    for level in LEVELS[1:]:
        middle = [down[level]] if level < coarsest else []
        below = _node(f"{name}_{level}out", level, entries[level], *middle, Edge(below.name, _RESIZE))
        yield below


def _resized(edge: Edge) -> Edge:
    """The same feature, resampled to another level."""
    return Edge(edge.source, _LATERAL if edge.op == _LATERAL else _RESIZE)


def _node(name: str, level: int, *edges: Edge) -> Node:
    return Node(name, level, None, edges, _FUSE, _CONV)
