"""The pyramid of two-stage detectors (FPN, arXiv 1612.03144, section 4.1): levels 2 to 5, and a sixth by skipping."""

from collections.abc import Callable

from search_spaces.fpn import STAGE_LEVELS, fpn_nodes, resnet_nodes
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import Op, op


def resnet_rcnn(depth: int, head: Op, *, msfm: Callable[[int], tuple[Op, ...]] = lambda level: ()) -> Genotype:
    """A bottleneck ResNet of that depth and the pyramid; `msfm` gives the modules of a level's bottlenecks."""
    top = Node("p6", 6, None, (Edge("p5", op("nearest", down="skip")),))
    nodes = (*resnet_nodes(depth, msfm), *fpn_nodes(STAGE_LEVELS, fuse=op("sum"), bottom_up=False), top)
    return Genotype(op("resnet_stem", pool="symmetric"), nodes, ("p2", "p3", "p4", "p5", "p6"), head)
