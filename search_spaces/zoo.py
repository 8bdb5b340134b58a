"""The published topologies and scales as plain data."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from search_spaces.fpn import resnet_fpn
from search_spaces.genotype import Genotype, Scale
from search_spaces.msfm import PUBLISHED
from search_spaces.ops import GenotypeError, Op, op
from search_spaces.rcnn import resnet_rcnn
from search_spaces.spinenet import Block, connect

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
        "49": Scale(),
        "96": Scale(repeats=2),
        "143": Scale(repeats=3, alpha=1.0),
        "190": Scale(width=1.3, repeats=4, alpha=1.0, output_width=512, head_depth=7),
        "proxy": Scale(width=0.25, alpha=0.25, output_width=64),
    }
)
"""SpineNet's scales (section 3.3) and the scale of its search's proxy (section 3.2), by name."""


@dataclass(frozen=True)
class ZooEntry:
    """A published topology at its published scale, and how many classes its head was published with."""

    genotype: Genotype
    scale: Scale
    image_size: int
    source: str
    num_classes: int = 80


def _spinenet(scale: str, image_size: int) -> ZooEntry:
    return ZooEntry(connect(SPINENET_49), SCALES[scale], image_size, "SpineNet, arXiv 1912.05027")


def _r50(genotype: Genotype, source: str) -> ZooEntry:
    return ZooEntry(genotype, Scale(), 640, source)


def _msfm(level: int) -> tuple[Op, ...]:
    return PUBLISHED.at(level) if level > 2 else ()


_RCNNS = {
    "faster-rcnn-r50-fpn": (50, "faster_rcnn", "Faster R-CNN with FPN, arXiv 1612.03144"),
    "faster-rcnn-r101-fpn": (101, "faster_rcnn", "Faster R-CNN with FPN, arXiv 1612.03144"),
    "cascade-rcnn-r50-fpn": (50, "cascade_rcnn", "Cascade R-CNN, arXiv 1712.00726"),
    "cascade-rcnn-r101-fpn": (101, "cascade_rcnn", "Cascade R-CNN, arXiv 1712.00726"),
    "mask-rcnn-r50-fpn": (50, "mask_rcnn", "Mask R-CNN, arXiv 1703.06870"),
}


def _rcnn(name: str) -> ZooEntry:
    depth, head, source = _RCNNS[name]
    return ZooEntry(resnet_rcnn(depth, op(head)), Scale(), 800, source)


def _rcnn_msfm(name: str) -> ZooEntry:
    depth, head, _ = _RCNNS[name]
    return ZooEntry(resnet_rcnn(depth, op(head), msfm=_msfm), Scale(), 800, "MSFM, OpenReview 6IVdytR2W90")


ZOO: Mapping[str, Callable[[], ZooEntry]] = MappingProxyType(
    {
        "spinenet-49s": lambda: _spinenet("49s", 640),
        "spinenet-49": lambda: _spinenet("49", 640),
        "spinenet-96": lambda: _spinenet("96", 1024),
        "spinenet-143": lambda: _spinenet("143", 1280),
        "spinenet-190": lambda: _spinenet("190", 1280),
        "fpn-r50": lambda: _r50(resnet_fpn(), "FPN, arXiv 1612.03144"),
        "pafpn-r50": lambda: _r50(resnet_fpn(bottom_up=True), "PANet, arXiv 1803.01534"),
        "fpn-r50-asff": lambda: _r50(resnet_fpn(fuse=op("asff")), "ASFF, arXiv 1911.09516"),
        "fpn-r50-msfm": lambda: _r50(resnet_fpn(msfm=_msfm), "MSFM, OpenReview 6IVdytR2W90"),
        "fpn-r50-dsa": lambda: _r50(resnet_fpn(head=op("fcos", attention=(op("dsa"),))), "DSA, arXiv 2012.07630"),
        **{name: partial(_rcnn, name) for name in _RCNNS},
        **{f"{name}-msfm": partial(_rcnn_msfm, name) for name in _RCNNS},
    }
)
"""Every entry by name."""


def zoo(name: str) -> ZooEntry:
    """The entry of a name.

    Raises:
        GenotypeError: no such entry; the message suggests the nearest.
    """
    if name not in ZOO:
        near = difflib.get_close_matches(name, ZOO, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(ZOO)}"
        raise GenotypeError(f"no zoo entry {name[:60]!r}; {hint}")
    return ZOO[name]()
