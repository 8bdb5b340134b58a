"""RetinaNet over a ResNet as published (arXiv 1708.02002, section 4), with attention before its head (DSA)."""

from search_spaces.fpn import STAGE_LEVELS, Modules, fpn_nodes, resnet_fpn, resnet_nodes
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import Op, op
from search_spaces.rewrite import rewrite

_IDENTITY = op("identity")
_STRIDING = op("conv", act="none", norm="none")

PLAIN = op("retinanet")
DSA = op("retinanet", attention=(op("dsa"),))
"""Separate attention for class and box tower, at levels 4 to 7 (DSA, arXiv 2012.07630)."""
DSA_CONF = op("retinanet", attention=(op("dsa"),), confidence=True)
"""DSA with object confidence, as released: power .7, gradients also through the IoU that is its target."""
NORMED = op("retinanet", norm="batch")
"""Norms in the towers, separate for each level, as in SpineNet's codes."""


def retinanet_r50(head: Op = PLAIN, *, depth: int = 50, msfm: Modules = lambda level: ()) -> Genotype:
    """A ResNet with a pyramid over C3 to C5, P6 from C5 and P7 from P6 by 3x3 convolutions of stride 2.

    P7 reads P6 without a ReLU and before any attention.

    Args:
        head: a `retinanet` operator.
        depth: layers of the ResNet.
        msfm: the modules of a level's bottlenecks.
    """
    nodes = [
        *resnet_nodes(depth, msfm),
        *fpn_nodes(STAGE_LEVELS[1:], fuse=op("sum"), bottom_up=False),
        Node("p6", 6, None, (Edge("c5", _IDENTITY),), block=_STRIDING),
        Node("p7", 7, None, (Edge("p6", _IDENTITY),), block=_STRIDING),
    ]
    return Genotype(
        op("resnet_stem", pool="symmetric"), tuple(nodes), tuple(f"p{level}" for level in range(3, 8)), head
    )


def retinanet_normed(depth: int) -> Genotype:
    """SpineNet's baseline (arXiv 1912.05027, Figure 1; TPU release and tf-models): norms in neck and head.

    The pyramid's 3x3 convolutions, P6 from P5 and P7 from P6 included, have biases before the norms. Verified against
    the official counts, which do not depend on the padding of stem and strides: torchvision's here.

    Args:
        depth: layers of the ResNet.
    """

    def normed(operator: Op) -> Op:
        if operator.name != "conv":
            return operator
        return op("conv", **{**dict(operator.attributes), "norm": "batch", "bias": True})

    return rewrite(resnet_fpn(depth, head=NORMED), normed)
