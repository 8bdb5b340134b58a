"""Second stage: class and box of each region (Fast R-CNN, arXiv 1504.08083; FPN, arXiv 1612.03144, section 4.2)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads

from nas.decode import Backbone
from nas.detectors.config import DetectorConfig
from nas.detectors.cost import BOX_SIZE, region_width
from nas.detectors.match import match_boxes
from nas.detectors.two_stage import blank_regions, region_pool
from search_spaces.genotype import Scale


class BoxPredictor(nn.Module):
    """Class logits (R, K + 1), background first, and box deltas (R, 4 (K + 1)) of regions (R, C).

    The background has no box, as in mmdetection: its deltas are zero. (torchvision has 4 outputs for it that are
    never read.)
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(channels, classes + 1)
        self.bbox_pred = nn.Linear(channels, 4 * classes)
        start_small(self)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls_score(x), pad(self.bbox_pred(x), (4, 0))


class AgnosticBoxPredictor(nn.Module):
    """Class-agnostic `BoxPredictor`: one box per region, repeated for each class."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(channels, classes + 1)
        self.bbox_pred = nn.Linear(channels, 4)
        start_small(self)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls_score(x), self.bbox_pred(x).repeat(1, self.cls_score.out_features)


def start_small(predictor: BoxPredictor | AgnosticBoxPredictor) -> None:
    """Initialise near uniform class scores and zero box deltas (arXiv 1504.08083, section 3.1)."""
    for layer, deviation in ((predictor.cls_score, 0.01), (predictor.bbox_pred, 0.001)):
        nn.init.normal_(layer.weight, std=deviation)
        nn.init.zeros_(layer.bias)


class BoxRegions(RoIHeads):
    """torchvision's second stage for boxes."""

    def __init__(
        self,
        backbone: Backbone,
        scale: Scale,
        config: DetectorConfig,
        predictor: type[BoxPredictor] | type[AgnosticBoxPredictor],
        classes: int,
        *,
        iou: float = 0.5,
        box_weights: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0),
    ) -> None:
        """Two fully connected layers, four times as wide as the scale's head (1,024 for 256), and a predictor.

        Args:
            backbone: source of the maps from which regions are pooled.
            scale: `head_width`, or the output width if it is unset.
            config: thresholds and numbers of regions.
            predictor: a box per class, or a class-agnostic one.
            classes: number of foreground classes.
            iou: threshold with an object above which a region is positive.
            box_weights: weights of the box deltas x, y, width and height in the loss.
        """
        channels, hidden = backbone.out_channels, region_width(backbone.out_channels, scale)
        super().__init__(  # type: ignore[no-untyped-call]
            region_pool(backbone, config, BOX_SIZE),
            TwoMLPHead(channels * BOX_SIZE**2, hidden),
            predictor(hidden, classes),
            iou,
            iou,
            config.samples,
            0.25,
            box_weights,
            config.score_threshold,
            config.nms_threshold,
            config.max_detections,
        )
        self.counted = config.proposals

    def network(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """The layers with weights, run on blank regions, for maps (N, C, H, W) by level."""
        regions = blank_regions(features, self.counted, BOX_SIZE)
        logits, deltas = self.box_predictor(self.box_head(regions))
        return {"class_logits": logits, "box_deltas": deltas}

    def assign_targets_to_proposals(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """As torchvision's, in bounded memory: object and label of each proposal; 0 is background, -1 is ignored."""
        found = [self._assigned(*one) for one in zip(proposals, gt_boxes, gt_labels, strict=True)]
        return [index for index, _ in found], [labels for _, labels in found]

    def _assigned(self, proposals: Tensor, boxes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        if not len(boxes):
            nothing = torch.zeros_like(proposals[:, 0], dtype=torch.int64)
            return nothing, nothing.clone()
        matcher = self.proposal_matcher
        index = match_boxes(matcher, boxes, proposals)
        found = labels[index.clamp(min=0)]
        found = found.masked_fill(index == matcher.BELOW_LOW_THRESHOLD, 0)
        return index.clamp(min=0), found.masked_fill(index == matcher.BETWEEN_THRESHOLDS, -1)

    def look(self, features: dict[str, Tensor], regions: list[Tensor], sizes: list[tuple[int, int]]) -> list[Tensor]:
        """Maps by level, regions (R_i, 4) and (height, width) of each image -> [logits, box deltas] of all regions."""
        return list(self.box_predictor(self.box_head(self.box_roi_pool(features, regions, sizes))))
