"""The published topologies and scales as plain data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from search_spaces.bifpn import bifpn
from search_spaces.fpn import resnet_fpn
from search_spaces.genotype import Genotype, Scale
from search_spaces.msfm import PUBLISHED
from search_spaces.naming import unknown
from search_spaces.nas_fpn import merge
from search_spaces.ops import GenotypeError, Op, op
from search_spaces.rcnn import resnet_rcnn
from search_spaces.retinanet import DSA, DSA_CONF, retinanet_normed, retinanet_r50
from search_spaces.spinenet import Block, connect
from search_spaces.trunk import resnet
from search_spaces.yolov3 import yolov3, yolov3_mobilenetv2

_B, _R = "bottleneck", "residual"

SPINENET_49 = (
    Block(2, _B, (0, 1)),
    Block(4, _R, (0, 1)),
    Block(3, _B, (2, 3)),
    Block(4, _B, (2, 4)),
    Block(6, _R, (3, 5)),
    Block(4, _B, (3, 5)),
    Block(5, _R, (6, 7)),
    Block(7, _R, (6, 8)),
    Block(5, _B, (8, 9)),
    Block(5, _B, (8, 10)),
    Block(4, _B, (5, 10), output=True),
    Block(3, _B, (4, 10), output=True),
    Block(5, _B, (7, 12), output=True),
    Block(7, _B, (5, 14), output=True),
    Block(6, _B, (12, 14), output=True),
)
"""SpineNet-49 (arXiv 1912.05027, Figure 4 and tf-models `SPINENET_BLOCK_SPECS`), shared by all its scales."""

SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "49s": Scale(width=0.65, alpha=0.5, output_width=128),
        "49s-256": Scale(width=0.65, alpha=0.5, output_width=256, head_width=128),
        "49": Scale(),
        "96": Scale(repeats=2),
        "143": Scale(repeats=3, alpha=1.0, anchor_base=4.0),
        "190": Scale(width=1.3, repeats=4, alpha=1.0, output_width=512, head_depth=7, anchor_base=4.0),
        "proxy": Scale(width=0.25, alpha=0.25, output_width=64),
    }
)
"""Name -> scale: SpineNet's (section 3.3), and its search's proxy (section 3.2).

49S was released with output width 128; the paper's numbers belong to 256.
"""
SPINENET_CLASSES = 91
"""COCO's category ids with 0 for the background."""


@dataclass(frozen=True)
class ZooEntry:
    """A published topology at its published scale and number of classes.

    `frozen` names the stem and nodes that the authors froze and left out of their parameter count.
    """

    genotype: Genotype
    scale: Scale
    image_size: int
    source: str
    num_classes: int = 80
    frozen: tuple[str, ...] = ()


_FROZEN = ("stem", "c2")
_SPINENET = "SpineNet, arXiv 1912.05027"
_MSFM = "MSFM, OpenReview 6IVdytR2W90"


def _spinenet(scale: str, image_size: int) -> ZooEntry:
    head = op("retinanet", norm="batch", anchor_base=3.0)
    genotype = connect(SPINENET_49, head=head)
    return ZooEntry(genotype, SCALES[scale], image_size, _SPINENET, SPINENET_CLASSES)


def _r50(genotype: Genotype, source: str) -> ZooEntry:
    return ZooEntry(genotype, Scale(), 640, source)


def _retinanet(genotype: Genotype, source: str) -> ZooEntry:
    return ZooEntry(genotype, Scale(), 640, source, frozen=_FROZEN)


def _compared(depth: int, image_size: int) -> ZooEntry:
    return ZooEntry(retinanet_normed(depth), Scale(), image_size, _SPINENET, SPINENET_CLASSES)


def _asff(genotype: Genotype, image_size: int) -> ZooEntry:
    return ZooEntry(genotype, Scale(), image_size, "ASFF, arXiv 1911.09516")


def _msfm(level: int) -> tuple[Op, ...]:
    return PUBLISHED.at(level) if level > 2 else ()


_FPN = "Faster R-CNN with FPN, arXiv 1612.03144"
_RCNNS: Mapping[str, tuple[Callable[..., Genotype], str]] = MappingProxyType(
    {
        "faster-rcnn-r50-fpn": (partial(resnet_rcnn, 50, op("faster_rcnn")), _FPN),
        "faster-rcnn-r50-fpn-dconv": (
            partial(resnet_rcnn, 50, op("faster_rcnn"), deformable=True),
            "Deformable ConvNets, arXiv 1703.06211",
        ),
        "faster-rcnn-r101-fpn": (partial(resnet_rcnn, 101, op("faster_rcnn")), _FPN),
        "cascade-rcnn-r50-fpn": (partial(resnet_rcnn, 50, op("cascade_rcnn")), "Cascade R-CNN, arXiv 1712.00726"),
        "cascade-rcnn-r101-fpn": (partial(resnet_rcnn, 101, op("cascade_rcnn")), "Cascade R-CNN, arXiv 1712.00726"),
        "mask-rcnn-r50-fpn": (partial(resnet_rcnn, 50, op("mask_rcnn")), "Mask R-CNN, arXiv 1703.06870"),
    }
)


def _rcnn(name: str) -> ZooEntry:
    build, source = _RCNNS[name]
    return ZooEntry(build(), Scale(), 800, source, frozen=_FROZEN)


def _rcnn_msfm(name: str) -> ZooEntry:
    build, _ = _RCNNS[name]
    return ZooEntry(build(msfm=_msfm), Scale(), 800, _MSFM, frozen=_FROZEN)


ZOO: Mapping[str, Callable[[], ZooEntry]] = MappingProxyType(
    {
        "spinenet-49s": lambda: _spinenet("49s", 640),
        "spinenet-49s-256": lambda: _spinenet("49s-256", 640),
        "spinenet-49": lambda: _spinenet("49", 640),
        "spinenet-96": lambda: _spinenet("96", 1024),
        "spinenet-143": lambda: _spinenet("143", 1280),
        "spinenet-190": lambda: _spinenet("190", 1280),
        "retinanet-r50-fpn": lambda: _retinanet(retinanet_r50(), "RetinaNet, arXiv 1708.02002"),
        "retinanet-r50-fpn-msfm": lambda: _retinanet(retinanet_r50(msfm=_msfm), _MSFM),
        "retinanet-r50-fpn-dsa": lambda: _retinanet(retinanet_r50(DSA), "DSA, arXiv 2012.07630"),
        "retinanet-r50-fpn-dsa-conf": lambda: _retinanet(retinanet_r50(DSA_CONF), "DSA, arXiv 2012.07630"),
        "retinanet-r50-fpn-tpu": lambda: _compared(50, 640),
        "retinanet-r101-fpn-tpu": lambda: _compared(101, 1024),
        "retinanet-r152-fpn-tpu": lambda: _compared(152, 1280),
        "fpn": lambda: _r50(resnet_fpn(), "FPN, arXiv 1612.03144"),
        "pafpn": lambda: _r50(resnet_fpn(bottom_up=True), "PANet, arXiv 1803.01534"),
        "bifpn": lambda: _r50(bifpn(resnet(50)), "EfficientDet, arXiv 1911.09070"),
        "nas-fpn": lambda: _r50(merge(resnet(50)), "NAS-FPN, arXiv 1904.07392"),
        "fpn-asff": lambda: _r50(resnet_fpn(fuse=op("asff")), "ASFF, arXiv 1911.09516"),
        "fpn-msfm": lambda: _r50(resnet_fpn(msfm=_msfm), _MSFM),
        "yolov3": lambda: _asff(yolov3(), 608),
        "yolov3-rfb": lambda: _asff(yolov3(rfb=True), 608),
        "yolov3-asff": lambda: _asff(yolov3(asff=True), 608),
        "yolov3-asff-rfb": lambda: _asff(yolov3(asff=True, rfb=True, dropblock=True), 608),
        "yolov3-mobilenetv2": lambda: _asff(yolov3_mobilenetv2(), 416),
        "yolov3-mobilenetv2-asff": lambda: _asff(yolov3_mobilenetv2(asff=True), 416),
        "fpn-dsa": lambda: _r50(resnet_fpn(head=op("fcos", attention=(op("dsa"),))), "DSA, arXiv 2012.07630"),
        **{name: partial(_rcnn, name) for name in _RCNNS},
        **{f"{name}-msfm": partial(_rcnn_msfm, name) for name in _RCNNS},
    }
)
"""Name -> entry. Entries with an FCOS head reproduce their paper's neck or module, not its detector."""


def zoo(name: str) -> ZooEntry:
    """The zoo entry of a name.

    Raises:
        GenotypeError: no such entry; the message suggests the nearest.
    """
    if name not in ZOO:
        raise GenotypeError(unknown("zoo entry", name, ZOO))
    return ZOO[name]()


def published_scale(name: str) -> Scale:
    """The scale of a name: `96`, or the zoo entry's `spinenet-96`.

    Raises:
        GenotypeError: no such scale; the message suggests the nearest or lists them.
    """
    short = name.removeprefix("spinenet-")
    if short not in SCALES:
        raise GenotypeError(unknown("scale", name, SCALES))
    return SCALES[short]
