"""Trunks: the part of a detector below the neck."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from search_spaces.fpn import resnet_nodes
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import GenotypeError, Op, op, stem_maps

LEVELS = (3, 4, 5, 6, 7)
"""Levels of the feature pyramids for dense heads."""


@dataclass(frozen=True)
class Trunk:
    """A stem, nodes, and the map of each level as (level, name), finest first.

    Raises:
        GenotypeError: level 3 or an intermediate level has no map; a neck cannot make it from coarser ones.
    """

    stem: Op
    nodes: tuple[Node, ...]
    maps: tuple[tuple[int, str], ...]

    def __post_init__(self) -> None:
        found = [level for level, _ in self.maps if level in LEVELS]
        if not found or found != list(range(LEVELS[0], found[-1] + 1)):
            missing = next(level for level in LEVELS if level not in found)
            raise GenotypeError(
                f"trunk.maps: a neck needs a map of level {missing}, and the trunk has levels {found or 'none'} of "
                f"{LEVELS[0]} to {LEVELS[-1]}: choose a backbone with maps from level {LEVELS[0]} on"
            )

    @property
    def by_level(self) -> Mapping[int, str]:
        return MappingProxyType(dict(self.maps))


def resnet(depth: int) -> Trunk:
    """A ResNet of 18, 34, 50, 101 or 152 layers with maps c3 to c5; its stem pools as torchvision's.

    Raises:
        GenotypeError: no such depth.
    """
    nodes = tuple(resnet_nodes(depth))
    maps = tuple((node.level, node.name) for node in nodes if node.level in LEVELS)
    return Trunk(op("resnet_stem", pool="symmetric"), nodes, maps)


def bare(stem: Op) -> Trunk:
    """The trunk of a stem that is a whole backbone, such as `timm`."""
    return Trunk(stem, (), tuple((m.level, m.name) for m in stem_maps(stem) if m.level in LEVELS))


def trunk_of(genotype: Genotype) -> Trunk:
    """A genotype without its head; the neck reads its outputs."""
    return Trunk(genotype.stem, genotype.live, tuple(zip(genotype.levels, genotype.outputs, strict=True)))


def pyramid(trunk: Trunk, *, lateral: Op, pool: Op) -> list[Node]:
    """One node per level, `f3` .. `f7`: a lateral of the trunk's map, or a pool of the next finer node."""
    nodes: list[Node] = []
    for level in LEVELS:
        source = trunk.by_level.get(level)
        edge = Edge(source, lateral) if source else Edge(nodes[-1].name, pool)
        nodes.append(Node(f"f{level}", level, None, (edge,)))
    return nodes
