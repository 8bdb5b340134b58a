"""Two-stage detectors: region proposals, then classification and refinement of each (Faster R-CNN, arXiv 1506.01497).

The parts are torchvision's. A detector counts labels from 0; its parts count from 1, with 0 for the background.

For a list of images, detections are torchvision's, masks included: (M, 1, H, W), pasted into their image. For a batch
of one size, boxes are in its pixels and masks (M, 1, 28, 28) in the frame of their box: pasting a whole batch takes
gigabytes, and the caller can paste at the resolution of the stored image.
"""

from typing import Any, Protocol

from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import initLevelMapper

from nas.decode import Backbone
from nas.detectors.config import DetectorConfig
from nas.detectors.cost import RATIOS
from nas.detectors.match import PairMatcher, as_pair
from nas.detectors.transform import BatchTransform

Targets = list[dict[str, Tensor]]

COARSEST = 5
"""Coarsest level from which regions are pooled; coarser ones only make proposals (arXiv 1612.03144, section 4.2)."""


class SecondStage(Protocol):
    """The second stage, with the interface of torchvision's `RoIHeads`."""

    def __call__(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: Targets | None,
        /,
    ) -> Any:
        """(detections of each image, losses by name); in training the detections are empty, else the losses."""
        ...

    def network(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """The layers with weights, run on blank regions."""
        ...


class TwoStage(nn.Module):
    """torchvision's `GeneralizedRCNN` with labels counted from 0; batches are not resized."""

    roi_heads: SecondStage

    def __init__(self, backbone: Backbone, rpn: RegionProposalNetwork, roi_heads: SecondStage) -> None:
        super().__init__()
        self.backbone = backbone
        self.rpn = rpn
        self.roi_heads = roi_heads
        self.transform = BatchTransform.standard()

    def network(self, images: Tensor) -> dict[str, Tensor]:
        """All layers with weights, (N, 3, H, W) -> outputs; cost and latency refer to it.

        Backbone, proposal head, and the heads of the second stage on blank regions: per image `proposals` of them
        (default 1,000), and for masks `max_detections` (default 100). Region pooling and NMS have no weights and are
        left out.
        """
        features = self.backbone(images)
        objectness, deltas = self.rpn.head(list(features.values()))
        proposed = {f"{level}.objectness": x for level, x in zip(features, objectness, strict=True)}
        shifts = {f"{level}.deltas": x for level, x in zip(features, deltas, strict=True)}
        return {**proposed, **shifts, **self.roi_heads.network(features)}

    def forward(
        self, images: list[Tensor] | Tensor, targets: Targets | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """In training a dict of losses, in evaluation a dict of detections per image."""
        shifted = None if targets is None else [{**t, "labels": t["labels"] + 1} for t in targets]
        batch, resized = self.transform(images, shifted)
        features = self.backbone(batch.tensors)
        proposals, proposal_losses = self.rpn(batch, features, resized)
        found, losses = self.roi_heads(features, proposals, batch.image_sizes, resized)
        if self.training:
            return {**proposal_losses, **losses}
        if not isinstance(images, Tensor):
            sizes = [(image.shape[-2], image.shape[-1]) for image in images]
            found = self.transform.postprocess(found, batch.image_sizes, sizes)
        return [{**one, "labels": one["labels"] - 1} for one in found]


def build_two_stage(backbone: Backbone, config: DetectorConfig, second: SecondStage) -> TwoStage:
    """A proposal network with 3 anchors per pixel, of area (8 strides)^2, and a second stage, on a backbone."""
    sides = tuple((8 * config.box_unit * 2**level,) for level in backbone.levels)
    proposals = RegionProposalNetwork(
        AnchorGenerator(sides, (RATIOS,) * len(sides)),
        RPNHead(backbone.out_channels, len(RATIOS)),
        fg_iou_thresh=0.7,
        bg_iou_thresh=0.3,
        batch_size_per_image=256,
        positive_fraction=0.5,
        pre_nms_top_n={"training": 2 * config.proposals, "testing": config.proposals},
        post_nms_top_n={"training": 2 * config.proposals, "testing": config.proposals},
        nms_thresh=0.7,
    )
    proposals.box_similarity = as_pair  # type: ignore[assignment]  # read by `PairMatcher` only
    proposals.proposal_matcher = PairMatcher(0.7, 0.3, allow_low_quality_matches=True)
    return TwoStage(backbone, proposals, second)


def region_pool(backbone: Backbone, config: DetectorConfig, size: int) -> MultiScaleRoIAlign:
    """Region pooling to (R, C, `size`, `size`) from the level that suits the area: level 4 for 224 px."""
    levels = [level for level in backbone.levels if level <= COARSEST] or [backbone.levels[0]]
    canonical = max(1, round(224 * config.box_unit))
    pool = MultiScaleRoIAlign([f"p{level}" for level in levels], size, 2, canonical_scale=canonical)
    # torchvision infers scales from the first batch, wrongly if sizes are rounded
    pool.scales = [2.0**-level for level in levels]  # type: ignore[assignment]  # its default is None
    pool.map_levels = initLevelMapper(levels[0], levels[-1], canonical_scale=canonical)
    return pool


def blank_regions(features: dict[str, Tensor], count: int, size: int) -> Tensor:
    """`count` zero regions for each image of maps (N, C, H, W): (N * count, C, `size`, `size`)."""
    finest = next(iter(features.values()))
    return finest.new_zeros(finest.shape[0] * count, finest.shape[1], size, size)
