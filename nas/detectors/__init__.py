"""Table of detectors by the name of the genotype's head."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from nas.deferred import deferred
from nas.detectors.config import DetectorConfig
from nas.detectors.cost import (
    cascade_rcnn_cost,
    faster_rcnn_cost,
    fcos_cost,
    mask_rcnn_cost,
    retinanet_cost,
    yolov3_cost,
)
from nas.ops.maps import MapSpec
from nas.ops.tally import Tally
from search_spaces.genotype import Genotype, Scale
from search_spaces.ops import Op

if TYPE_CHECKING:
    from torch import nn

    from nas.decode import Backbone

__all__ = ["HEADS", "DetectorConfig", "build_detector"]


class Head(NamedTuple):
    """Builder of a detector on a backbone, and cost formula of its head."""

    build: "Callable[[Backbone, Op, Scale, int, DetectorConfig], nn.Module]"
    cost: Callable[[Op, Sequence[MapSpec], int, Tally], None]


HEADS: Mapping[str, Head] = MappingProxyType(
    {
        "fcos": Head(deferred("nas.detectors.fcos:build_fcos"), fcos_cost),
        "retinanet": Head(deferred("nas.detectors.retinanet.detector:build_retinanet"), retinanet_cost),
        "yolov3": Head(deferred("nas.detectors.yolov3.detector:build_yolov3"), yolov3_cost),
        "faster_rcnn": Head(deferred("nas.detectors.faster_rcnn:build_faster_rcnn"), faster_rcnn_cost),
        "mask_rcnn": Head(deferred("nas.detectors.mask_rcnn:build_mask_rcnn"), mask_rcnn_cost),
        "cascade_rcnn": Head(deferred("nas.detectors.cascade_rcnn:build_cascade_rcnn"), cascade_rcnn_cost),
    }
)


def build_detector(
    genotype: Genotype,
    scale: Scale,
    num_classes: int,
    config: DetectorConfig = DetectorConfig(),  # noqa: B008 - frozen
) -> "nn.Module":
    """Decode a genotype into a detector with torchvision's interface.

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
    from nas.decode import decode

    backbone = decode(genotype, scale, norm_layer=config.norm)
    return HEADS[genotype.head.name].build(backbone, genotype.head, scale, num_classes, config)
