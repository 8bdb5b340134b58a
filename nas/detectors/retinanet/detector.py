"""RetinaNet (arXiv 1708.02002): torchvision's anchors, matching, losses and NMS on a decoded backbone."""

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.retinanet import RetinaNet

from nas.data.targets import Target
from nas.decode import Backbone
from nas.detectors.config import DetectorConfig
from nas.detectors.match import match_boxes
from nas.detectors.retinanet.head import RetinaHead
from nas.detectors.transform import BatchTransform
from search_spaces.genotype import Scale
from search_spaces.ops import Op

OCTAVES = tuple(2 ** (i / 3) for i in range(3))
SHAPES = (0.5, 1.0, 2.0)


class Retina(RetinaNet):
    """torchvision's RetinaNet with `network`, matching in bounded memory, and scores combined by the head."""

    head: RetinaHead

    def network(self, images: Tensor) -> dict[str, Tensor]:
        """All layers with weights, (N, 3, H, W) -> the head's outputs; cost and latency refer to it."""
        outputs: dict[str, Tensor] = self.head(list(self.backbone(images).values()))
        return outputs

    def compute_loss(
        self, targets: list[Target], head_outputs: dict[str, Tensor], anchors: list[Tensor]
    ) -> dict[str, Tensor]:
        """As torchvision's, in bounded memory for any number of objects."""
        matched = [
            match_boxes(self.proposal_matcher, target["boxes"], places)
            if len(target["boxes"])
            else torch.full_like(places[:, 0], -1, dtype=torch.int64)
            for target, places in zip(targets, anchors, strict=True)
        ]
        return self.head.compute_loss(targets, head_outputs, anchors, matched)

    def postprocess_detections(
        self,
        head_outputs: dict[str, list[Tensor]],
        anchors: list[list[Tensor]],
        image_shapes: list[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        """As torchvision's: threshold, top-k of each level, NMS."""
        detections: list[dict[str, Tensor]] = super().postprocess_detections(
            self.head.with_confidence(head_outputs), anchors, image_shapes
        )
        return detections


def anchors(base: float, levels: tuple[int, ...]) -> AnchorGenerator:
    """Nine anchors per pixel: three sizes within an octave from `base` strides, times three aspect ratios."""
    sizes = tuple(tuple(base * 2**level * octave for octave in OCTAVES) for level in levels)
    return AnchorGenerator(sizes, (SHAPES,) * len(levels))


def build_retinanet(backbone: Backbone, head: Op, scale: Scale, num_classes: int, config: DetectorConfig) -> nn.Module:
    """RetinaNet with `num_classes` sigmoid outputs per anchor, labelled from 0.

    SpineNet's published 91 are COCO's category ids and an unused background.
    """
    base = (scale.anchor_base or head["anchor_base"]) * config.box_unit
    detector = Retina(  # type: ignore[no-untyped-call]  # torchvision's constructor
        backbone,
        num_classes,
        anchor_generator=anchors(base, backbone.levels),
        head=RetinaHead(head, backbone.out_channels, backbone.levels, scale, num_classes, config),
        score_thresh=config.score_threshold,
        nms_thresh=config.nms_threshold,
        detections_per_img=config.max_detections,
    )
    detector.transform = BatchTransform.like(detector.transform)
    return detector
