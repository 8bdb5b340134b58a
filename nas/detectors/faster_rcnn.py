"""Faster R-CNN (arXiv 1506.01497) on a feature pyramid (arXiv 1612.03144)."""

from collections.abc import Sequence

from torch import nn

from nas.decode import Backbone
from nas.detectors.box_regions import BoxPredictor, BoxRegions, boxes_cost
from nas.detectors.config import DetectorConfig
from nas.detectors.two_stage import build_two_stage, proposals_cost
from nas.ops.common import MapSpec
from nas.ops.tally import Tally
from search_spaces.genotype import Scale
from search_spaces.ops import Op


def build_faster_rcnn(
    backbone: Backbone, head: Op, scale: Scale, num_classes: int, config: DetectorConfig
) -> nn.Module:
    """Faster R-CNN with `num_classes` foreground classes, labelled from 0."""
    return build_two_stage(backbone, config, BoxRegions(backbone, scale, config, BoxPredictor, num_classes))


def faster_rcnn_cost(head: Op, maps: Sequence[MapSpec], num_classes: int, tally: Tally) -> None:
    """What both stages cost."""
    proposals_cost(maps, tally)
    boxes_cost(maps[0].channels, num_classes, num_classes, tally)
