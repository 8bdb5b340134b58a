"""SpineNet: scale-permuted blocks and cross-scale connections (Du et al. 2020, arXiv 1912.05027, section 3)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial, prod
from types import MappingProxyType

from search_spaces.choose import Chooser
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import Op, op

WIDTHS = {2: 64, 3: 128, 4: 256, 5: 256, 6: 256, 7: 256}
"""Block width by level (section 3.3; tf-models `spinenet.py`)."""
TYPES = ("bottleneck", "residual")
OFFSETS = (-1, 0, 1, 2)
STEM = op("resnet_stem")
_FUSE = op("sum", act="relu")
Counts = Mapping[int, int]
"""Level -> number of blocks."""


@dataclass(frozen=True, slots=True)
class Block:
    """A scale-permuted block; parents are positions in build order, the stem's blocks first."""

    level: int
    type: str
    parents: tuple[int, int]
    output: bool = False
    name: str = ""
    """Prefix of its decisions; it stays the same when the block moves."""


def connect(
    blocks: Sequence[Block],
    *,
    stem_levels: Sequence[int] = (2, 2),
    fuse: Callable[[Block], Op] = lambda block: _FUSE,
    module: Callable[[Block], Op] = lambda block: op(block.type),
    head: Op = op("fcos"),  # noqa: B008 - a frozen value
    drop: float = 0.0,
) -> Genotype:
    """The genotype of a list of blocks.

    An output block also reads, by identity edges, the earlier unread blocks of its own level and width, as the
    official code does; SpineNet-49 has one such edge.

    Args:
        blocks: the permuted blocks in build order.
        stem_levels: levels of the unpermuted bottlenecks between the stem and the blocks.
        fuse: operator that fuses the inputs of a permuted block.
        module: operator that runs on the fused map.
        head: operator that reads the outputs.
        drop: stochastic depth rate of the last block; it grows linearly over the blocks, and the stem's blocks have
            none. SpineNet's longest schedule uses .2. tf-models counts one more block, of level 2, that nothing
            reads: its last rate is 15/16 of `drop`.
    """
    nodes = list(_stem_nodes(stem_levels))
    read = {edge.source for node in nodes for edge in node.inputs}
    outputs = []
    for i, block in enumerate(blocks, 1):
        operator = module(block)
        if drop:
            operator = operator.but(drop=drop * i / len(blocks))
        parents = [nodes[p].name for p in block.parents]
        edges = [Edge(parent, op("spinenet")) for parent in parents]
        read.update(parents)
        if block.output:
            unread = [n.name for n in nodes if n.name not in read and _same_shape(n, block.level, operator)]
            edges += [Edge(name, op("identity")) for name in unread]
            read.update(unread)
            outputs.append(len(nodes))
        nodes.append(Node(f"b{len(nodes)}", block.level, WIDTHS[block.level], tuple(edges), fuse(block), operator))
    ends = [_end(nodes[i]) for i in sorted(outputs, key=lambda i: nodes[i].level)]
    return Genotype(STEM, (*nodes, *ends), tuple(node.name for node in ends), head)


def _stem_nodes(levels: Sequence[int]) -> Iterator[Node]:
    """A chain of bottlenecks, as in a ResNet."""
    for i, level in enumerate(levels):
        source = f"b{i - 1}" if i else "stem2"
        yield Node(f"b{i}", level, WIDTHS[level], (Edge(source, op("identity")),), block=op("bottleneck"))


def _same_shape(node: Node, level: int, block: Op) -> bool:
    return node.level == level and node.block.spec.expansion == block.spec.expansion


def _end(node: Node) -> Node:
    """The 1x1 convolution that brings an output block to the output width."""
    return Node(f"p{node.level}", node.level, None, (Edge(node.name, op("identity")),), block=op("conv", kernel=1))


@dataclass(frozen=True)
class SpineNetSpace:
    """The published space: orders, parents, level offsets and block types (section 3.2).

    Intermediate blocks take two parents among the last `window` blocks, outputs two among all. Levels are clamped to
    the range of `WIDTHS`.

    Attributes:
        stem_levels: levels of the unpermuted bottlenecks; all of them may be parents.
        intermediate: levels of the intermediate blocks before their offsets, those of R0-SP53.
        outputs: levels of the output blocks.
        window: number of preceding blocks among which an intermediate block chooses parents; None means all.
        offsets: options of an intermediate block's level offset; (0,) keeps every level.
        types: options of a block's type.
    """

    name: str = "spinenet"
    stem_levels: tuple[int, ...] = (2, 2)
    intermediate: tuple[int, ...] = (2, 3, 3, 3, 4, 4, 4, 4, 4, 5)
    outputs: tuple[int, ...] = (3, 4, 5, 6, 7)
    window: int | None = 5
    offsets: tuple[int, ...] = OFFSETS
    types: tuple[str, ...] = TYPES

    @property
    def cardinality(self) -> int:
        """Number of combinations of decisions: permutations, pairs of parents, offsets, types (section 3.2).

        Some of them build the same network.
        """
        inner, outer, stem = len(self.intermediate), len(self.outputs), len(self.stem_levels)
        orders = factorial(inner) * factorial(outer)
        pairs = prod(len(self._pairs(stem + i, inner=i < inner)) for i in range(inner + outer))
        return orders * pairs * int(len(self.offsets) ** inner) * int(len(self.types) ** (inner + outer))

    def build(self, choose: Chooser, /) -> Genotype:
        return connect(self.blocks(choose), stem_levels=self.stem_levels)

    def blocks(self, choose: Chooser) -> list[Block]:
        """Choose the permuted blocks."""
        blocks: list[Block] = []
        for k in permutation(choose, "intermediate", len(self.intermediate)):
            level = self.intermediate[k] + choose(f"intermediate{k}.offset", self.offsets)
            level = min(max(level, min(WIDTHS)), max(WIDTHS))
            kind = choose(f"intermediate{k}.type", self.types)
            parents = self._parents(choose, len(blocks), inner=True)
            blocks.append(Block(level, kind, parents, name=f"intermediate{k}"))
        for k in permutation(choose, "output", len(self.outputs)):
            kind = choose(f"output{k}.type", self.types)
            parents = self._parents(choose, len(blocks), inner=False)
            blocks.append(Block(self.outputs[k], kind, parents, output=True, name=f"output{k}"))
        return blocks

    def _pairs(self, position: int, *, inner: bool) -> tuple[tuple[int, int], ...]:
        """Options for the parents of the block at `position`: pairs of distances back."""
        window = self.window if inner and self.window else position
        return tuple(combinations(range(1, min(window, position) + 1), 2))

    def _parents(self, choose: Chooser, built: int, *, inner: bool) -> tuple[int, int]:
        position = len(self.stem_levels) + built
        near, far = choose(f"position{position}.parents", self._pairs(position, inner=inner))
        return position - far, position - near


def _scale_permuted(name: str, stem: Counts, permuted: Counts) -> SpineNetSpace:
    """A space of Table 1: bottlenecks at fixed levels, one output at each of the levels 3 to 7."""
    outputs = (3, 4, 5, 6, 7)
    inner = {level: count - (level in outputs) for level, count in permuted.items()}
    return SpineNetSpace(name, _levels(stem), _levels(inner), outputs, offsets=(0,), types=("bottleneck",))


def _levels(counts: Counts) -> tuple[int, ...]:
    return tuple(level for level, count in sorted(counts.items()) for _ in range(count))


SCALE_PERMUTED: Mapping[str, SpineNetSpace] = MappingProxyType(
    {
        name: _scale_permuted(name, dict(enumerate(stem, 2)), dict(enumerate(permuted, 2)))
        for name, (stem, permuted) in {
            "r35-sp18": ((2, 3, 5, 1), (1, 1, 1, 1, 1, 1)),
            "r23-sp30": ((2, 2, 2, 1), (1, 2, 4, 1, 1, 1)),
            "r14-sp39": ((1, 1, 1, 1), (2, 3, 5, 1, 1, 1)),
            "r0-sp53": ((2, 0, 0, 0), (1, 4, 6, 2, 1, 1)),
        }.items()
    }
)
"""The spaces of Table 1, from mostly fixed to fully permuted, by the number of blocks at each level."""


def permutation(choose: Chooser, name: str, n: int) -> list[int]:
    """A uniform permutation of `range(n)` by insertion, so that the options of a decision do not depend on others."""
    order: list[int] = []
    for i in range(n):
        order.insert(choose(f"{name}{i}.place", tuple(range(i + 1))), i)
    return order
