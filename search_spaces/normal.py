"""Normal form of a genotype, input of its key: attributes, edges and nodes without effect are removed.

What is removed has no effect at any scale, and no weights.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from search_spaces.fields import Attribute
from search_spaces.ops import Op, op, stem_maps

if TYPE_CHECKING:
    from search_spaces.genotype import Genotype, Node

_IDENTITY, _NEAREST, _SUM, _PASS = op("identity"), op("nearest"), op("sum"), op("none")

_UNREAD: Mapping[str, Mapping[str, Callable[[Op], bool]]] = MappingProxyType(
    {
        "lateral": {"bias": lambda lateral: lateral["norm"] == "none"},
        "conv": {"bias": lambda conv: conv["norm"] == "none"},
        "msfm": {
            "fusion": lambda msfm: len(msfm["scales"]) == 1,
            "deepen": lambda msfm: msfm["convs"] == 1 or min(msfm["scales"]) > 1,
        },
        "retinanet": dict.fromkeys(
            ("confidence_power", "confidence_attached", "confidence_only_large"), lambda head: not head["confidence"]
        ),
    }
)
"""Operator -> attribute -> predicate: the other attributes leave it without effect."""


class Vertex(NamedTuple):
    """A node in normal form; `inputs` are (source, operator), and unlike a node's may repeat a source."""

    node: "Node"
    block: Op
    inputs: tuple[tuple[str, Op], ...]


class Normal(NamedTuple):
    """Normal form of a genotype, its stem excluded; `outputs` are names of vertices."""

    vertices: tuple[Vertex, ...]
    outputs: frozenset[str]
    head: Op


def normal(genotype: "Genotype") -> Normal:
    """The normal form of a genotype's live nodes and head."""
    maps: dict[str, tuple[int, object]] = {m.name: (m.level, (m, 1)) for m in stem_maps(genotype.stem)}
    stand_ins: dict[str, str] = {}
    vertices = []
    for node in genotype.live:
        level, width = maps[node.name] = node.level, (node.width, node.block.spec.expansion)
        block, inputs = _without_unread(node.block), []
        for edge in node.inputs:
            source, carried = maps[edge.source]
            operator = _edge_op(edge.op, level - source, same_width=width == carried)
            inputs.append((stand_ins.get(edge.source, edge.source), operator))
        if len(inputs) == 1 and (inputs[0][1], node.fuse, block) == (_IDENTITY, _SUM, _PASS):
            stand_ins[node.name] = inputs[0][0]
        else:
            vertices.append(Vertex(node, block, tuple(inputs)))
    outputs = frozenset(stand_ins.get(name, name) for name in genotype.outputs)
    return Normal(tuple(vertices), outputs, _head(genotype))


@lru_cache(maxsize=4096)
def _edge_op(operator: Op, climb: int, *, same_width: bool) -> Op:
    """The normal form of an edge that goes `climb` levels coarser."""
    if climb <= 0 and (operator.name == "nearest" or (operator.name == "asff_resample" and same_width)):
        return _NEAREST if climb else _IDENTITY  # `down` and convolutions only act towards coarser levels
    operator = _without_unread(operator)
    return operator.but(padding="symmetric") if operator.name == "spinenet" and climb <= 0 else operator


@lru_cache(maxsize=4096)
def _without_unread(operator: Op) -> Op:
    """The operator with attributes without effect at their defaults, parts included."""
    stored: dict[str, Attribute] = {name: _parts(value) for name, value in operator.attributes}
    unread = [name for name, idle in _UNREAD.get(operator.name, {}).items() if name in stored and idle(operator)]
    return op(operator.name, **{name: value for name, value in stored.items() if name not in unread})


def _parts(value: Attribute) -> Attribute:
    if isinstance(value, tuple):
        return tuple(map(_parts, value))
    return _without_unread(value) if isinstance(value, Op) else value


def _head(genotype: "Genotype") -> Op:
    """The head with `min_level` raised to the first output its attention acts on; no attention if it acts on none."""
    head, levels = _without_unread(genotype.head), genotype.levels
    if "attention" not in head.spec.fields:
        return head
    finest = [(attention, max(attention["min_level"], levels[0])) for attention in head["attention"]]
    return head.but(attention=tuple(a.but(min_level=level) for a, level in finest if level <= levels[-1]))
