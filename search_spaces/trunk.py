"""Trunks: the part of a detector that a neck reads, whatever it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from search_spaces.fpn import resnet_nodes
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import GenotypeError, Op, op, stem_maps

LEVELS = (3, 4, 5, 6, 7)
"""Levels of the pyramids that necks make for dense heads."""


@dataclass(frozen=True)
class Trunk:
    """A stem, nodes, and the map that stands for each level, as (level, name) from the finest on.

    Raises:
        GenotypeError: the maps leave out level 3, or one between others: nothing could make it.
    """

    stem: Op
    nodes: tuple[Node, ...]
    maps: tuple[tuple[int, str], ...]

    def __post_init__(self) -> None:
        there = [level for level, _ in self.maps if level in LEVELS]
        if not there or there != list(range(LEVELS[0], there[-1] + 1)):
            missing = next(level for level in LEVELS if level not in there)
            raise GenotypeError(
                f"trunk.maps: a neck needs a map of level {missing}, and the trunk has levels {there or 'none'} of "
                f"{LEVELS[0]} to {LEVELS[-1]}: choose a backbone with maps from level {LEVELS[0]} on"
            )

    @property
    def by_level(self) -> Mapping[int, str]:
        return MappingProxyType(dict(self.maps))


def resnet(depth: int) -> Trunk:
    """The stages c3..c5 of a ResNet of 18, 34, 50, 101 or 152 layers, pooled as torchvision's.

    Raises:
        GenotypeError: no such depth.
    """
    nodes = tuple(resnet_nodes(depth))
    maps = tuple((node.level, node.name) for node in nodes if node.level in LEVELS)
    return Trunk(op("resnet_stem", pool="symmetric"), nodes, maps)


def bare(stem: Op) -> Trunk:
    """A stem that is a whole backbone itself, such as `timm`."""
    return Trunk(stem, (), tuple((m.level, m.name) for m in stem_maps(stem) if m.level in LEVELS))


def trunk_of(genotype: Genotype) -> Trunk:
    """A genotype without its head: its outputs are what the neck reads."""
    return Trunk(genotype.stem, genotype.live, tuple(zip(genotype.levels, genotype.outputs, strict=True)))


def pyramid(trunk: Trunk, *, lateral: Op, pool: Op) -> list[Node]:
    """One node a level, `f3` .. `f7`: a lateral of the trunk's map, and pools of the level below where it has none."""
    nodes: list[Node] = []
    for level in LEVELS:
        source = trunk.by_level.get(level)
        edge = Edge(source, lateral) if source else Edge(nodes[-1].name, pool)
        nodes.append(Node(f"f{level}", level, None, (edge,)))
    return nodes
