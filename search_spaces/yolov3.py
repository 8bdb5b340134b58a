"""YOLOv3 (arXiv 1804.02767) as ASFF builds it (arXiv 1911.09516, section 3.1 and released code), as nodes.

A trunk gives maps at levels 3, 4 and 5; the neck merges them top-down; the outputs differ in width.
"""

from collections.abc import Sequence
from itertools import pairwise

from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import Op, op

DARKNET_53 = ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))
"""Width and residual units of the stages at levels 1 to 5."""
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (2, 24, 2, 6),
    (3, 32, 3, 6),
    (4, 64, 4, 6),
    (4, 96, 3, 6),
    (5, 160, 3, 6),
    (5, 320, 1, 6),
)
"""Level, width, repeats and expansion of each stage (MobileNetV2, arXiv 1801.04381, Table 2)."""
NECK_WIDTHS = {5: 512, 4: 256, 3: 128}
LEVELS = (3, 4, 5)
_IDENTITY, _NEAREST, _CONCAT = op("identity"), op("nearest"), op("concat")


def yolov3(*, asff: bool = False, rfb: bool = False, dropblock: bool = False) -> Genotype:
    """Darknet-53 with the deformable head.

    Args:
        asff: fuse the levels by ASFF before the head.
        rfb: receptive field blocks in the head; they halve ASFF's `compress` channels.
        dropblock: DropBlock in the neck during training.
    """
    neck = _neck(("c3", "c4", "c5"), "leaky_relu", dropblock=dropblock)
    head = op("yolov3", rfb=rfb, anchors="released")
    nodes = [*darknet_53(), *neck, *_last(asff, "leaky_relu", own=True, compress=8 if rfb else 16)]
    return Genotype(op("darknet_stem"), tuple(nodes), ("p3", "p4", "p5"), head)


def yolov3_mobilenetv2(*, asff: bool = False) -> Genotype:
    """MobileNetV2 with the plain head."""
    neck = _neck(("c3", "c4", "c5"), "relu6", dropblock=False)
    nodes = [*mobilenet_v2(), *neck, *_last(asff, "relu6", own=False, compress=16)]
    return Genotype(op("mobilenet_stem"), tuple(nodes), ("p3", "p4", "p5"), op("yolov3", deformable=False))


def darknet_53() -> list[Node]:
    """The stages c1 to c5."""
    nodes = []
    source = "stem0"
    for level, (width, repeats) in enumerate(DARKNET_53, 1):
        edges = (Edge(source, _IDENTITY),)
        nodes.append(Node(f"c{level}", level, width, edges, block=op("darknet", repeats=repeats)))
        source = f"c{level}"
    return nodes


def mobilenet_v2() -> list[Node]:
    """All stages and the last convolution; c3 (32 channels), c4 (96) and c5 (1280) are the neck's inputs."""
    nodes = []
    source = "stem1"
    for i, (level, width, repeats, expand) in enumerate(MOBILENET_V2, 1):
        name = {3: "c3", 5: "c4"}.get(i, f"m{i}")
        block = op("inverted", repeats=repeats, expand=expand)
        nodes.append(Node(name, level, width, (Edge(source, _IDENTITY),), block=block))
        source = name
    return [*nodes, Node("c5", 5, 1280, (Edge(source, _IDENTITY),), block=_conv(1, "relu6"))]


def _neck(trunk: Sequence[str], act: str, *, dropblock: bool) -> list[Node]:
    """Maps n5, n4 and n3 of 512, 256 and 128 channels from the trunk's maps of levels 3, 4 and 5."""
    fine, middle, coarse = trunk
    nodes = _chain("a5", coarse, 5, ((1, 512), (3, 1024), (1, 512)), act)
    spp = Node("spp5", 5, 512, (Edge(nodes[-1].name, _IDENTITY),), block=op("spp", act=act))
    nodes += [spp, *_widened("w5", "spp5", 5, act, dropblock)]
    nodes.append(Node("n5", 5, 512, (Edge(nodes[-1].name, _IDENTITY),), block=_conv(1, act)))
    return nodes + _below("n5", middle, 4, act, dropblock) + _below("n4", fine, 3, act, dropblock)


def _below(above: str, tap: str, level: int, act: str, dropblock: bool) -> list[Node]:
    """Concatenate the upsampled level above and the trunk's map, then mix by convolutions: the map n<level>."""
    width = NECK_WIDTHS[level]
    up = Node(f"u{level + 1}", level + 1, width, (Edge(above, _IDENTITY),), block=_conv(1, act))
    edges = (Edge(up.name, _NEAREST), Edge(tap, _IDENTITY))
    join = Node(f"j{level}", level, width, edges, _CONCAT, _conv(1, act))
    nodes = [up, join, *_widened(f"w{level}", join.name, level, act, dropblock)]
    nodes += _chain(f"a{level}", nodes[-1].name, level, ((1, width), (3, 2 * width)), act)
    return [*nodes, Node(f"n{level}", level, width, (Edge(nodes[-1].name, _IDENTITY),), block=_conv(1, act))]


def _widened(name: str, source: str, level: int, act: str, dropblock: bool) -> list[Node]:
    """The 3x3 convolution to twice the width, and DropBlock after it."""
    width = 2 * NECK_WIDTHS[level]
    nodes = [Node(name, level, width, (Edge(source, _IDENTITY),), block=_conv(3, act))]
    if dropblock:
        first = 2 * (5 - level) + 1
        sizes = (first, first + 2, 7)
        noise = op("dropblock", sizes=sizes)
        nodes.append(Node(f"d{level}", level, width, (Edge(name, _IDENTITY),), block=noise))
    return nodes


def _last(asff: bool, act: str, *, own: bool, compress: int) -> list[Node]:
    """The outputs p3, p4 and p5: a 3x3 convolution to twice the width, after ASFF if `asff`.

    With `own` a 3x3 convolution widens the finest map before fusion, as in the darknet version.
    """
    if not asff:
        return [_output(level, f"n{level}", 2 * NECK_WIDTHS[level], act) for level in LEVELS]
    widths = {**NECK_WIDTHS, 3: 256} if own else NECK_WIDTHS
    nodes = [Node("e3", 3, 256, (Edge("n3", _IDENTITY),), block=_conv(3, act))] if own else []
    sources = ("n5", "n4", "e3" if own else "n3")
    fuse = op("asff", compress=compress, inner=act)
    edges = tuple(Edge(source, op("asff_resample", act=act)) for source in sources)
    for level in LEVELS:
        nodes += [
            Node(f"f{level}", level, widths[level], edges, fuse),
            _output(level, f"f{level}", 2 * NECK_WIDTHS[level], act),
        ]
    return nodes


def _output(level: int, source: str, width: int, act: str) -> Node:
    return Node(f"p{level}", level, width, (Edge(source, _IDENTITY),), block=_conv(3, act))


def _chain(name: str, source: str, level: int, layers: Sequence[tuple[int, int]], act: str) -> list[Node]:
    """A chain of convolutions of the given kernels and widths."""
    names = [source, *(f"{name}-{i}" for i in range(1, len(layers) + 1))]
    return [
        Node(here, level, width, (Edge(before, _IDENTITY),), block=_conv(kernel, act))
        for (before, here), (kernel, width) in zip(pairwise(names), layers, strict=True)
    ]


def _conv(kernel: int, act: str) -> Op:
    return op("conv", kernel=kernel, act=act)
