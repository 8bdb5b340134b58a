"""The genotype: a small frozen value that describes the topology of a detector, independent of size.

A genotype is a stem, nodes, outputs and a head. A node resamples its inputs to one level and width, fuses them and
runs a block. `Scale` sets the size; `nas.decode` builds the network.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from search_spaces import serial
from search_spaces.canonical import canonical_form
from search_spaces.normal import normal
from search_spaces.ops import GenotypeError, Kind, Op, StemMap, op, short, stem_maps
from search_spaces.scale import MAX_WIDTH
from search_spaces.scale import Scale as Scale

if TYPE_CHECKING:
    import networkx as nx

MAX_LEVEL = 10
MAX_NODES = 512
MAX_REPEATS = 1024
"""Limit of block repeats, summed over all nodes."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_SUM, _PASS = op("sum"), op("none")


@dataclass(frozen=True, slots=True)
class Edge:
    """An input of a node: the map it reads, and the operator that brings it to the node's level and width."""

    source: str
    op: Op


@dataclass(frozen=True, slots=True)
class Node:
    """One feature map: resample the inputs, fuse them, run the block.

    Attributes:
        name: unique within the genotype.
        level: feature level l; the map has stride 2**l.
        width: channels before the block's expansion and the scale's multiplier; None takes the scale's output width.
        inputs: edges from the stem's maps or from earlier nodes.
        fuse: operator that merges the N resampled inputs.
        block: operator that runs on the fused map.
    """

    name: str
    level: int
    width: int | None
    inputs: tuple[Edge, ...]
    fuse: Op = _SUM
    block: Op = _PASS


@dataclass(frozen=True)
class Genotype:
    """A topology, validated on construction.

    Attributes:
        stem: operator that turns the image into the first maps, named `stem<level>`.
        nodes: in topological order, inputs first.
        outputs: names of the nodes that the head reads: one per level, finest first, consecutive levels, one width.
        head: operator that reads the outputs.

    Raises:
        GenotypeError: on construction, naming the field, the value and the fix.
    """

    stem: Op
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    head: Op

    def __post_init__(self) -> None:
        _check(self)

    @cached_property
    def by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def live(self) -> tuple[Node, ...]:
        """The nodes that reach an output, in order; `decode` builds only these.

        `networkx.ancestors` takes nine times as long, a quarter of the time of a candidate's cost.
        """
        needed = set(self.outputs)
        kept = []
        for node in reversed(self.nodes):
            if node.name in needed:
                kept.append(node)
                needed.update(edge.source for edge in node.inputs)
        return tuple(reversed(kept))

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels of the outputs, finest first."""
        return tuple(self.by_name[name].level for name in self.outputs)

    def key(self) -> str:
        """32 hex digits, equal for genotypes that decode to the same network.

        Independent of names, of the order of nodes and inputs, of dead nodes and of attributes without effect (see
        `search_spaces.normal`); depends on the order of inputs where the fuse operator does.
        Stable across processes and releases.
        """
        return self._key

    @cached_property
    def _key(self) -> str:
        stems, (vertices, outputs, head) = stem_maps(self.stem), normal(self)
        place = {name: i for i, name in enumerate([*(m.name for m in stems), *(v.node.name for v in vertices)])}
        labels = [serial.text(self.stem) + m.name for m in stems]
        arcs = []
        for node, block, inputs in vertices:
            labels.append(
                f"{node.level} {node.width} {serial.text(node.fuse)} {serial.text(block)} {node.name in outputs}"
            )
            ordered = node.fuse.spec.ordered
            for i, (source, operator) in enumerate(inputs):
                rank = min(i, ordered) if ordered else ""
                arcs.append((place[source], place[node.name], f"{rank}{serial.text(operator)}"))
        form = repr((serial.text(head), *canonical_form(labels, arcs)))
        return hashlib.sha256(form.encode()).hexdigest()[:32]

    def to_json(self, *, indent: int | None = None) -> str:
        """The genotype as one JSON document; `from_json` reads it back to an equal value."""
        return serial.dump(self, indent=indent)

    @staticmethod
    def from_json(document: str | bytes) -> "Genotype":
        """Read a document of `to_json`.

        Raises:
            GenotypeError: not JSON, another format or version, unknown fields, or an illegal genotype.
        """
        return serial.load(document)

    def to_networkx(self) -> "nx.DiGraph":
        """The live graph: vertices carry `node` (a `Node`, or a `StemMap`) and `output`, arcs carry `op`."""
        import networkx as nx

        graph = nx.DiGraph()
        for stem_map in stem_maps(self.stem):
            graph.add_node(stem_map.name, node=stem_map, output=False)
        for node in self.live:
            graph.add_node(node.name, node=node, output=node.name in self.outputs)
            for edge in node.inputs:
                graph.add_edge(edge.source, node.name, op=edge.op)
        return graph


def _check(genotype: Genotype) -> None:
    _expect(genotype.stem, Kind.stem, "stem")
    _expect(genotype.head, Kind.head, "head")
    if not 1 <= len(genotype.nodes) <= MAX_NODES:
        raise GenotypeError(f"nodes: {len(genotype.nodes)} nodes; a genotype has 1 .. {MAX_NODES}")
    seen: dict[str, _Carried] = {m.name: _Carried(m.level, m, 1) for m in stem_maps(genotype.stem)}
    for node in genotype.nodes:
        for message in _node_faults(node, seen):
            raise GenotypeError(f"node {short(node.name)}: {message}")
        seen[node.name] = _Carried(node.level, node.width, node.block.spec.expansion)
    repeats = sum(node.block["repeats"] for node in genotype.nodes if "repeats" in node.block.spec.fields)
    if repeats > MAX_REPEATS:
        raise GenotypeError(f"nodes: their blocks repeat {repeats} times; at most {MAX_REPEATS} are allowed")
    _check_outputs(genotype, seen)


@dataclass(frozen=True, slots=True)
class _Carried:
    """Level and width of a map, independent of scale. A stem map's width equals only itself: the multiplier differs."""

    level: int
    width: int | StemMap | None
    expansion: int


def _expect(operator: object, kind: Kind, where: str) -> None:
    if not isinstance(operator, Op) or operator.kind is not kind:
        raise GenotypeError(f"{where}: {short(operator)} is not an operator of kind {kind.value!r}")


def _node_faults(node: Node, seen: dict[str, _Carried]) -> Iterator[str]:
    if not _NAME.fullmatch(node.name) or node.name.startswith("stem"):
        yield "a name is 1-64 letters, digits, '_' or '-' and does not begin with 'stem'"
    if node.name in seen:
        yield "the name is taken by an earlier node"
    if type(node.level) is not int or not 0 <= node.level <= MAX_LEVEL:
        yield f"level {short(node.level)} is outside 0 .. {MAX_LEVEL}"
    if node.width is not None and (type(node.width) is not int or not 1 <= node.width <= MAX_WIDTH):
        yield f"width {short(node.width)} is outside 1 .. {MAX_WIDTH}; null takes the scale's output width"
    _expect(node.fuse, Kind.fuse, f"node {node.name!r}: fuse")
    _expect(node.block, Kind.block, f"node {node.name!r}: block")
    if not node.inputs:
        yield "it has no inputs"
    if len(node.inputs) == 1 and node.fuse.name != "sum":
        yield f"one input leaves nothing to fuse by {node.fuse.name!r}: use 'sum'"
    if len({edge.source for edge in node.inputs}) < len(node.inputs):
        yield "it reads the same input twice"
    for edge in node.inputs:
        _expect(edge.op, Kind.resample, f"node {node.name!r}: input {edge.source!r}")
        if edge.source not in seen:
            yield f"input {short(edge.source)} is neither a map of the stem nor an earlier node"
    yield from _level_faults(node, seen)
    yield from _width_faults(node, seen)


def _level_faults(node: Node, seen: dict[str, _Carried]) -> Iterator[str]:
    still = [edge for edge in node.inputs if not edge.op.spec.moves]
    entry = node.level if len(still) < len(node.inputs) else seen[still[0].source].level
    for edge in still:
        if (level := seen[edge.source].level) != entry:
            yield f"input {edge.source!r} of level {level} cannot reach level {entry}: {edge.op.name!r} keeps levels"
    strides = (0, 1) if node.block.spec.moves else (0,)
    if node.level - entry not in strides:
        yield f"block {node.block.name!r} cannot change level {entry} to level {node.level}"


def _width_faults(node: Node, seen: dict[str, _Carried]) -> Iterator[str]:
    own = (node.width, node.block.spec.expansion)
    kept = {
        edge.source: (seen[edge.source].width, seen[edge.source].expansion)
        for edge in node.inputs
        if not edge.op.spec.widens
    }
    if node.fuse.spec.stacks:
        if not node.block.spec.widens:
            yield f"a concatenation needs a block that sets the width, not {node.block.name!r}"
        return
    expected = own if len(kept) < len(node.inputs) or not node.block.spec.widens else next(iter(kept.values()))
    for source, width in kept.items():
        if width != expected:
            yield f"input {source!r} differs in width from the other inputs: use a resample that sets the width"


def _check_outputs(genotype: Genotype, seen: dict[str, _Carried]) -> None:
    for name in genotype.outputs:
        if name not in genotype.by_name:
            raise GenotypeError(f"outputs: {short(name)} is not the name of a node")
    levels = genotype.levels
    if not levels or levels != tuple(range(levels[0], levels[0] + len(levels))):
        raise GenotypeError(f"outputs: levels {levels} must be consecutive, finest first, one output each")
    widths = [(seen[name].width, seen[name].expansion) for name in genotype.outputs]
    for name, width in zip(genotype.outputs, widths, strict=True):
        if width != widths[0] and genotype.head.spec.one_width:
            raise GenotypeError(
                f"outputs: {name!r} differs in width from {genotype.outputs[0]!r}: a head reads one width"
            )
