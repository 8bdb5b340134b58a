"""Table of detectors by the name of the genotype's head."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from torch import nn

from nas.decode import Backbone, decode
from nas.detectors.cascade_rcnn import build_cascade_rcnn, cascade_rcnn_cost
from nas.detectors.config import DetectorConfig
from nas.detectors.faster_rcnn import build_faster_rcnn, faster_rcnn_cost
from nas.detectors.fcos import build_fcos, fcos_cost
from nas.detectors.mask_rcnn import build_mask_rcnn, mask_rcnn_cost
from nas.detectors.retinanet.detector import build_retinanet
from nas.detectors.retinanet.head import retinanet_cost
from nas.detectors.yolov3 import build_yolov3, yolov3_cost
from nas.ops.common import MapSpec
from nas.ops.tally import Tally
from search_spaces.genotype import Genotype, Scale
from search_spaces.ops import Op

__all__ = ["HEADS", "DetectorConfig", "build_detector"]


class Head(NamedTuple):
    """How a detector is built on a backbone, and what its head costs on maps for a number of classes."""

    build: Callable[[Backbone, Op, Scale, int, DetectorConfig], nn.Module]
    cost: Callable[[Op, Sequence[MapSpec], int, Tally], None]


HEADS: Mapping[str, Head] = MappingProxyType(
    {
        "fcos": Head(build_fcos, fcos_cost),
        "retinanet": Head(build_retinanet, retinanet_cost),
        "yolov3": Head(build_yolov3, yolov3_cost),
        "faster_rcnn": Head(build_faster_rcnn, faster_rcnn_cost),
        "mask_rcnn": Head(build_mask_rcnn, mask_rcnn_cost),
        "cascade_rcnn": Head(build_cascade_rcnn, cascade_rcnn_cost),
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
    `boxes` (xyxy pixels), `scores` and `labels`, counted from 0. Images are float (3, H, W) in 0..1. A head that
    predicts masks adds `masks`: see `nas.detectors.two_stage`.

    Args:
        genotype: the topology.
        scale: size of the network.
        num_classes: foreground classes.
        config: thresholds and the unit of boxes.

    Raises:
        GenotypeError: the scale does not suit the head.
    """
    backbone = decode(genotype, scale, norm_layer=config.norm)
    return HEADS[genotype.head.name].build(backbone, genotype.head, scale, num_classes, config)
