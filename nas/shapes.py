"""Which maps a genotype makes at a scale, and how long each is needed: what decoding and counting share."""

from collections.abc import Sequence
from typing import NamedTuple

from nas.ops.maps import MapSpec
from search_spaces.genotype import Genotype, Node, Scale
from search_spaces.ops import Op, stem_maps


class NodeShapes(NamedTuple):
    """The maps along the way through a node.

    Attributes:
        target: what edges and block are to reach.
        arrived: each input once resampled.
        entry: what the block reads.
        made: what the node hands on.
    """

    target: MapSpec
    arrived: tuple[MapSpec, ...]
    entry: MapSpec
    made: MapSpec


def stem_shapes(stem: Op, scale: Scale) -> dict[str, MapSpec]:
    """The stem's maps by name, finest first."""
    widths = {m: max(1, int(m.width * scale.stem)) for m in stem_maps(stem)}
    return {m.name: MapSpec(m.level, width, width) for m, width in widths.items()}


def node_shapes(node: Node, sources: Sequence[MapSpec], scale: Scale) -> NodeShapes:
    """The shapes of a node that reads `sources`."""
    width = scale.channels(node.width)
    target = MapSpec(node.level, width, width * node.block.spec.expansion)
    arrived = tuple(
        MapSpec(
            target.level if edge.op.spec.moves else source.level,
            width,
            target.channels if edge.op.spec.widens else source.channels,
        )
        for edge, source in zip(node.inputs, sources, strict=True)
    )
    channels = sum(m.channels for m in arrived) if node.fuse.spec.stacks else arrived[0].channels
    entry = MapSpec(arrived[0].level, width, channels)
    return NodeShapes(target, arrived, entry, target if node.block.spec.widens else entry._replace(level=node.level))


def last_readers(genotype: Genotype) -> dict[str, list[str]]:
    """For each live node, the maps nobody reads after it."""
    last = {edge.source: node.name for node in genotype.live for edge in node.inputs}
    spent: dict[str, list[str]] = {node.name: [] for node in genotype.live}
    for source, reader in last.items():
        if source not in genotype.outputs:
            spent[reader].append(source)
    return spent
