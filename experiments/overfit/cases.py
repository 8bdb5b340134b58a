"""The small detectors that `experiments.overfit` trains, by the name of their head."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from nas.detectors import DetectorConfig
from search_spaces.fpn import extra_nodes, fpn_nodes
from search_spaces.genotype import Edge, Genotype, Node, Scale
from search_spaces.ops import Op, op

SMALL = Scale(width=0.25, stem=0.25, output_width=64, head_depth=2)
CLOSE = DetectorConfig(box_unit=0.5, nms_threshold=0.5, proposals=200, samples=128)


def pyramid(levels: tuple[int, ...], head: Op) -> Genotype:
    """A residual network of one block per level, 2 to 5, with a feature pyramid of these levels."""
    nodes, source = [], "stem2"
    for level, width in zip((2, 3, 4, 5), (64, 128, 256, 512), strict=True):
        nodes.append(Node(f"c{level}", level, width, (Edge(source, op("identity")),), block=op("residual")))
        source = f"c{level}"
    nodes += fpn_nodes([level for level in levels if level <= 5], fuse=op("sum"), bottom_up=False)
    nodes += extra_nodes(5, levels[-1] - 5)
    return Genotype(op("resnet_stem"), tuple(nodes), tuple(f"p{level}" for level in levels), head)


@dataclass(frozen=True)
class Case:
    """A detector and its training; `floors` are the scores it must exceed."""

    genotype: Genotype
    epochs: int
    scale: Scale = SMALL
    detector: DetectorConfig = CLOSE
    learning_rate: float = 4e-3
    floors: Mapping[str, float] = field(default_factory=lambda: {"AP": 0.8})


_P3, _P2 = (3, 4, 5, 6), (2, 3, 4, 5, 6)
CASES: Mapping[str, Case] = MappingProxyType(
    {
        "fcos": Case(pyramid(_P3, op("fcos")), epochs=75),
        "retinanet": Case(pyramid(_P3, op("retinanet")), epochs=125),
        "yolov3": Case(pyramid((3, 4, 5), op("yolov3")), epochs=150, learning_rate=2e-3),
        "faster_rcnn": Case(pyramid(_P2, op("faster_rcnn")), epochs=125),
        "mask_rcnn": Case(pyramid(_P2, op("mask_rcnn")), epochs=125, floors={"AP": 0.8, "mask_AP": 0.6}),
        "cascade_rcnn": Case(pyramid(_P2, op("cascade_rcnn")), epochs=125),
    }
)
"""Cases by the name of the head; a new head needs one row."""
