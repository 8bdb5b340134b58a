"""Shapes and lifetimes of a genotype's maps at a scale; shared by decoding and cost."""

from collections.abc import Sequence
from typing import NamedTuple

from nas.ops.maps import MapSpec
from search_spaces.genotype import Genotype, Node, Scale
from search_spaces.ops import Op, stem_maps


class NodeShapes(NamedTuple):
    """Shapes of the maps inside a node.

    Attributes:
        target: shape that edges and block aim at.
        resampled: each input after its edge.
        entry: the fused map, input of the block.
        output: the node's output.
    """

    target: MapSpec
    resampled: tuple[MapSpec, ...]
    entry: MapSpec
    output: MapSpec


def stem_shapes(stem: Op, scale: Scale) -> dict[str, MapSpec]:
    """The stem's maps by name, finest first."""
    widths = {m: max(1, int(m.width * scale.stem)) for m in stem_maps(stem)}
    return {m.name: MapSpec(m.level, width, width) for m, width in widths.items()}


def node_shapes(node: Node, sources: Sequence[MapSpec], scale: Scale) -> NodeShapes:
    """The shapes of a node that reads `sources`."""
    width = scale.channels(node.width)
    target = MapSpec(node.level, width, width * node.block.spec.expansion)
    resampled = tuple(
        MapSpec(
            target.level if edge.op.spec.moves else source.level,
            width,
            target.channels if edge.op.spec.widens else source.channels,
        )
        for edge, source in zip(node.inputs, sources, strict=True)
    )
    channels = sum(m.channels for m in resampled) if node.fuse.spec.stacks else resampled[0].channels
    entry = MapSpec(resampled[0].level, width, channels)
    return NodeShapes(target, resampled, entry, target if node.block.spec.widens else entry._replace(level=node.level))


def last_readers(genotype: Genotype) -> dict[str, list[str]]:
    """Live node -> the maps that it reads last."""
    last = {edge.source: node.name for node in genotype.live for edge in node.inputs}
    released: dict[str, list[str]] = {node.name: [] for node in genotype.live}
    for source, reader in last.items():
        if source not in genotype.outputs:
            released[reader].append(source)
    return released
