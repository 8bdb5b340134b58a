"""Residual networks with feature pyramids: FPN (arXiv 1612.03144) and PAFPN (arXiv 1803.01534) as nodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from search_spaces.choose import Chooser
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import GenotypeError, Op, op, short

Modules = Callable[[int], tuple[Op, ...]]
"""Level -> the MSFM modules inside each of its bottlenecks."""

STAGE_LEVELS = (2, 3, 4, 5)
STAGE_WIDTHS = (64, 128, 256, 512)
RESNET_REPEATS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Depth -> blocks of each stage (ResNet, arXiv 1512.03385, Table 1)."""
BASIC_DEPTHS = (18, 34)
"""Depths with basic blocks of two 3x3 convolutions; the others have bottlenecks."""
_IDENTITY, _LATERAL, _NEAREST = op("identity"), op("lateral"), op("nearest")
_CONV, _CONV_RELU = op("conv", act="none", norm="none"), op("conv", norm="none")


def resnet_nodes(depth: int, msfm: Modules = lambda level: (), *, deformable: bool = False) -> list[Node]:
    """The four stages c2..c5 of a ResNet of 18, 34, 50, 101 or 152 layers.

    Args:
        depth: number of layers.
        msfm: the modules of a level's bottlenecks.
        deformable: use deformable convolutions in the bottlenecks of c3 to c5 (arXiv 1703.06211, section 3).

    Raises:
        GenotypeError: no such depth, or `msfm` or `deformable` at a depth without bottlenecks.
    """
    if depth not in RESNET_REPEATS:
        raise GenotypeError(f"depth: no ResNet of {short(depth)} layers; known: {', '.join(map(str, RESNET_REPEATS))}")
    kind = "residual" if depth in BASIC_DEPTHS else "bottleneck"
    nodes = []
    source = "stem2"
    for level, width, repeats in zip(STAGE_LEVELS, STAGE_WIDTHS, RESNET_REPEATS[depth], strict=True):
        changes = {"msfm": msfm(level), "deformable": deformable and level > 2}
        block = op(kind, repeats=repeats, **{name: value for name, value in changes.items() if value})
        nodes.append(Node(f"c{level}", level, width, (Edge(source, _IDENTITY),), block=block))
        source = f"c{level}"
    return nodes


def fpn_nodes(levels: Sequence[int], *, fuse: Op, bottom_up: bool) -> list[Node]:
    """Lateral connections and a top-down path over the nodes c<level>; with `bottom_up` a second, bottom-up path.

    A ReLU follows every convolution of the second path (PANet, arXiv 1803.01534, section 3.1).
    """
    nodes: list[Node] = []
    above = ""
    for level in reversed(levels):
        edges = [Edge(f"c{level}", _LATERAL)] + ([Edge(above, _NEAREST)] if above else [])
        above = f"inner{level}"
        nodes.append(Node(above, level, None, tuple(edges), fuse if len(edges) > 1 else op("sum")))
    prefix = "q" if bottom_up else "p"
    nodes += [
        Node(f"{prefix}{level}", level, None, (Edge(f"inner{level}", _IDENTITY),), block=_CONV) for level in levels
    ]
    if bottom_up:
        nodes += _bottom_up(levels, fuse)
    return nodes


def _bottom_up(levels: Sequence[int], fuse: Op) -> list[Node]:
    nodes = [Node(f"p{levels[0]}", levels[0], None, (Edge(f"q{levels[0]}", _IDENTITY),))]
    for level in levels[1:]:
        down = Node(f"down{level}", level, None, (Edge(f"p{level - 1}", _IDENTITY),), block=_CONV_RELU)
        edges = (Edge(f"q{level}", _IDENTITY), Edge(down.name, _IDENTITY))
        nodes += [down, Node(f"p{level}", level, None, edges, fuse, _CONV_RELU)]
    return nodes


def extra_nodes(top: int, count: int) -> list[Node]:
    """Levels above a pyramid by stride-2 convolutions of its coarsest map, a ReLU before all but the first."""
    return [
        Node(
            f"p{level}",
            level,
            None,
            (Edge(f"p{level - 1}", _IDENTITY),),
            block=op("conv", act="none", norm="none", act_first=level > top + 1),
        )
        for level in range(top + 1, top + 1 + count)
    ]


def resnet_fpn(
    depth: int = 50,
    *,
    msfm: Modules = lambda level: (),
    fuse: Op = op("sum"),  # noqa: B008 - a frozen value
    bottom_up: bool = False,
    head: Op = op("fcos"),  # noqa: B008 - a frozen value
) -> Genotype:
    """A ResNet with a pyramid over levels 3 to 5 and two extra levels above it."""
    levels = STAGE_LEVELS[1:]
    nodes = [
        *resnet_nodes(depth, msfm),
        *fpn_nodes(levels, fuse=fuse, bottom_up=bottom_up),
        *extra_nodes(5, 2),
    ]
    return Genotype(
        op("resnet_stem", pool="symmetric"), tuple(nodes), tuple(f"p{level}" for level in range(3, 8)), head
    )


@dataclass(frozen=True)
class FpnSpace:
    """Pyramids over a ResNet-50: the fuse operator, and whether a bottom-up path follows the top-down one."""

    name: str = "fpn"

    def build(self, choose: Chooser, /) -> Genotype:
        return resnet_fpn(
            fuse=op(choose("fuse", ("sum", "fast", "asff"))),
            bottom_up=choose("bottom_up", (False, True)),
        )
