"""Mask R-CNN (arXiv 1703.06870): Faster R-CNN with a mask for every box."""

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import pad
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor

from nas.decode import Backbone
from nas.detectors.box_regions import BoxPredictor, BoxRegions
from nas.detectors.config import DetectorConfig
from nas.detectors.cost import MASK_SIZE, require_depth
from nas.detectors.two_stage import Targets, blank_regions, build_two_stage, region_pool
from search_spaces.genotype import Scale
from search_spaces.ops import Op


class MaskPredictor(MaskRCNNPredictor):
    """Mask logits (R, K + 1, 28, 28) of regions (R, C, 14, 14); the background, first, has zeros."""

    def __init__(self, channels: int, hidden: int, classes: int) -> None:
        super().__init__(channels, hidden, classes)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        return pad(super().forward(x), (0, 0, 0, 0, 1, 0))  # type: ignore[no-untyped-call]


class MaskRegions(BoxRegions):
    """torchvision's second stage for boxes and masks.

    `head_depth` 3x3 convolutions (4 as published) of the scale's head width precede the mask predictor.
    """

    def __init__(self, backbone: Backbone, scale: Scale, config: DetectorConfig, classes: int) -> None:
        require_depth(scale)
        super().__init__(backbone, scale, config, BoxPredictor, classes)
        width = scale.head_width or backbone.out_channels
        self.mask_roi_pool = region_pool(backbone, config, MASK_SIZE)
        self.mask_head = MaskRCNNHeads(backbone.out_channels, (width,) * scale.head_depth, 1)
        self.mask_predictor = MaskPredictor(width, width, classes)

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: Targets | None = None,
    ) -> Any:
        """As torchvision's: (detections, losses), one of them empty."""
        own = None if targets is None else [dict(target) for target in targets]  # `select_training_samples` edits them
        return super().forward(features, proposals, image_shapes, own)

    def select_training_samples(
        self, proposals: list[Tensor], targets: Targets | None
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        """As torchvision's; targets keep only objects that samples match, as the loss converts all masks to float."""
        samples, matched, labels, changes = super().select_training_samples(proposals, targets)
        for target, index, label in zip(targets or (), matched, labels, strict=True):
            objects, places = index[label > 0].unique(return_inverse=True)
            target |= {"masks": target["masks"][objects], "labels": target["labels"][objects]}
            index[label > 0] = places
        return samples, matched, labels, changes

    def network(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """The layers with weights on blank regions, for maps (N, C, H, W) by level; masks: `max_detections` regions."""
        regions = blank_regions(features, self.detections_per_img, MASK_SIZE)
        return {**super().network(features), "masks": self.mask_predictor(self.mask_head(regions))}


def build_mask_rcnn(backbone: Backbone, head: Op, scale: Scale, num_classes: int, config: DetectorConfig) -> nn.Module:
    """Mask R-CNN with `num_classes` foreground classes, labelled from 0; targets have `masks` (M, H, W) of 0 and 1.

    Raises:
        GenotypeError: the scale's `head_depth` is 0.
    """
    return build_two_stage(backbone, config, MaskRegions(backbone, scale, config, num_classes))
