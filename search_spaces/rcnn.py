"""The pyramid of two-stage detectors (FPN, arXiv 1612.03144, section 4.1): levels 2 to 5, and P6 subsampled from P5."""

from search_spaces.fpn import STAGE_LEVELS, Modules, fpn_nodes, resnet_nodes
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import Op, op


def resnet_rcnn(depth: int, head: Op, *, msfm: Modules = lambda level: (), deformable: bool = False) -> Genotype:
    """A ResNet (see `resnet_nodes`) with the pyramid of levels 2 to 6."""
    top = Node("p6", 6, None, (Edge("p5", op("nearest", down="skip")),))
    stages = resnet_nodes(depth, msfm, deformable=deformable)
    nodes = (*stages, *fpn_nodes(STAGE_LEVELS, fuse=op("sum"), bottom_up=False), top)
    return Genotype(op("resnet_stem", pool="symmetric"), nodes, ("p2", "p3", "p4", "p5", "p6"), head)
