"""Faster R-CNN (arXiv 1506.01497) on a feature pyramid (arXiv 1612.03144)."""

from torch import nn

from nas.decode import Backbone
from nas.detectors.box_regions import BoxPredictor, BoxRegions
from nas.detectors.config import DetectorConfig
from nas.detectors.two_stage import build_two_stage
from search_spaces.genotype import Scale
from search_spaces.ops import Op


def build_faster_rcnn(
    backbone: Backbone, head: Op, scale: Scale, num_classes: int, config: DetectorConfig
) -> nn.Module:
    """Faster R-CNN with `num_classes` foreground classes, labelled from 0."""
    return build_two_stage(backbone, config, BoxRegions(backbone, scale, config, BoxPredictor, num_classes))
