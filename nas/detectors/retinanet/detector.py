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
    """torchvision's RetinaNet with the count of its weights' work in one place, and scores that the head decides."""

    head: RetinaHead

    def network(self, images: Tensor) -> dict[str, Tensor]:
        """All that has weights, (N, 3, H, W) -> the head's outputs: what is counted and timed."""
        outputs: dict[str, Tensor] = self.head(list(self.backbone(images).values()))
        return outputs

    def compute_loss(
        self, targets: list[Target], head_outputs: dict[str, Tensor], anchors: list[Tensor]
    ) -> dict[str, Tensor]:
        """As torchvision's, in bounded memory however many objects there are."""
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
        """As torchvision's: threshold, best of each level, NMS."""
        detections: list[dict[str, Tensor]] = super().postprocess_detections(
            self.head.scored(head_outputs), anchors, image_shapes
        )
        return detections


def anchors(base: float, levels: tuple[int, ...]) -> AnchorGenerator:
    """Nine anchors a pixel: three sizes from `base` strides up within an octave, each of three shapes."""
    sizes = tuple(tuple(base * 2**level * octave for octave in OCTAVES) for level in levels)
    return AnchorGenerator(sizes, (SHAPES,) * len(levels))


def build_retinanet(backbone: Backbone, head: Op, scale: Scale, num_classes: int, config: DetectorConfig) -> nn.Module:
    """RetinaNet with `num_classes` sigmoid outputs an anchor, labelled from 0.

    SpineNet's published 91 are COCO's category ids and a background that no object has.
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
