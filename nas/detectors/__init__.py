"""Detectors by the name of a genotype's head."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from nas.decode import Backbone, decode
from nas.detectors.cascade_rcnn import build_cascade_rcnn
from nas.detectors.config import DetectorConfig
from nas.detectors.faster_rcnn import build_faster_rcnn
from nas.detectors.fcos import build_fcos
from nas.detectors.mask_rcnn import build_mask_rcnn
from nas.detectors.retinanet.detector import build_retinanet
from nas.detectors.yolov3 import build_yolov3
from search_spaces.genotype import Genotype, Scale
from search_spaces.ops import Op

__all__ = ["HEADS", "DetectorConfig", "build_detector"]

HEADS: Mapping[str, Callable[[Backbone, Op, Scale, int, DetectorConfig], nn.Module]] = MappingProxyType(
    {
        "fcos": build_fcos,
        "retinanet": build_retinanet,
        "yolov3": build_yolov3,
        "faster_rcnn": build_faster_rcnn,
        "mask_rcnn": build_mask_rcnn,
        "cascade_rcnn": build_cascade_rcnn,
    }
)


def build_detector(
    genotype: Genotype,
    scale: Scale,
    num_classes: int,
    config: DetectorConfig = DetectorConfig(),  # noqa: B008 - frozen
) -> nn.Module:
    """Decode a genotype into a detector that fulfils torchvision's contract.

    In training `model(images, targets)` gives a dict of losses, in evaluation `model(images)` a list of dicts with
    `boxes` (xyxy pixels), `scores` and `labels`, counted from 0. Images are float (3, H, W) in 0..1. A head that finds
    masks adds `masks`: see `nas.detectors.two_stage`.

    Args:
        genotype: what to build.
        scale: how big.
        num_classes: foreground classes.
        config: thresholds and the unit of boxes.

    Raises:
        GenotypeError: the scale does not suit the head.
    """
    backbone = decode(genotype, scale, norm_layer=config.norm)
    return HEADS[genotype.head.name](backbone, genotype.head, scale, num_classes, config)
