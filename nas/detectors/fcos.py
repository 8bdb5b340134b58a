"""FCOS (arXiv 1904.01355) on a decoded backbone: torchvision's head, losses and NMS."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOS, FCOSClassificationHead, FCOSHead, FCOSRegressionHead
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import batched_nms, clip_boxes_to_image

from nas.data.targets import Target, Targets
from nas.decode import Backbone
from nas.detectors.config import DetectorConfig
from nas.detectors.cost import HEAD_GROUPS, require_groups
from nas.detectors.fcos_loss import fcos_losses
from nas.detectors.match import match_points
from nas.detectors.transform import BatchTransform
from nas.ops.part.dsa import PyramidAttention
from search_spaces.genotype import Scale
from search_spaces.ops import Op

_OUTPUTS = ("cls_logits", "bbox_regression", "bbox_ctrness")


class Fcos(FCOS):
    """torchvision's FCOS; training on a batch (N, 3, H, W) and its `Targets` has no loop over images."""

    head: FCOSHead
    transform: BatchTransform

    def network(self, images: Tensor) -> dict[str, Tensor]:
        """All layers with weights, (N, 3, H, W) -> the head's outputs; cost and latency refer to it."""
        outputs: dict[str, Tensor] = self.head(list(self.backbone(images).values()))
        return outputs

    def forward(self, images: Any, targets: Any = None) -> Any:
        """As torchvision's: losses by name in training, else detections."""
        if not (self.training and isinstance(images, Tensor) and isinstance(targets, Targets)):
            return super().forward(images, targets)
        batch, _ = self.transform(images)
        features = list(self.backbone(batch.tensors).values())
        first = ImageList(batch.tensors[:1], batch.image_sizes[:1])  # all images have the same anchors
        anchors = self.anchor_generator(first, features)[0]
        return self._losses(targets, self.head(features), anchors, [x.shape[-2] * x.shape[-1] for x in features])

    def compute_loss(
        self,
        targets: Sequence[Target],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        num_anchors_per_level: list[int],
    ) -> dict[str, Tensor]:
        """As torchvision's: classification, bbox_regression and bbox_ctrness, normalised by the positives."""
        return self._losses(Targets.of(targets), head_outputs, anchors[0], num_anchors_per_level)

    def postprocess_detections(
        self,
        head_outputs: dict[str, list[Tensor]],
        anchors: list[list[Tensor]],
        image_shapes: list[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        """As torchvision's, but only NMS runs per image, since the images of a batch have the same anchors."""
        levels = [
            self._top(*level) for level in zip(*(head_outputs[name] for name in _OUTPUTS), anchors[0], strict=True)
        ]
        boxes, scores, labels = (torch.cat(column, 1) for column in zip(*levels, strict=True))
        found = []
        for image, shape in enumerate(image_shapes):
            kept = scores[image] > self.score_thresh
            found.append(self._nms(boxes[image][kept], scores[image][kept], labels[image][kept], shape))
        return found

    def _top(self, logits: Tensor, boxes: Tensor, centres: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A level's top-k boxes (N, k, 4) of all images, with scores and labels (N, k)."""
        scores = (logits.sigmoid() * centres.sigmoid()).sqrt().flatten(1)
        scores, chosen = scores.topk(min(self.topk_candidates, scores.shape[1]))
        points, labels = chosen // logits.shape[2], chosen % logits.shape[2]
        boxes = boxes.gather(1, points[..., None].expand(-1, -1, 4))
        return self.box_coder.decode(boxes, anchors[points]), scores, labels

    def _nms(self, boxes: Tensor, scores: Tensor, labels: Tensor, image_shape: tuple[int, int]) -> dict[str, Tensor]:
        """An image's detections after NMS within each class."""
        boxes = clip_boxes_to_image(boxes, image_shape)
        kept = batched_nms(boxes, scores, labels, self.nms_thresh)[: self.detections_per_img]
        return {"boxes": boxes[kept], "scores": scores[kept], "labels": labels[kept]}

    def _losses(
        self, targets: Targets, outputs: dict[str, Tensor], anchors: Tensor, points_per_level: list[int]
    ) -> dict[str, Tensor]:
        matched = match_points(anchors, points_per_level, targets.boxes, self.center_sampling_radius)
        return fcos_losses(outputs, targets, anchors, matched, self.head.box_coder)


class HeadNorm(nn.GroupNorm):
    """torchvision's norm of 32 groups, also for a single map of one pixel, which `nn.GroupNorm` rejects.

    At 32 channels it is an instance norm. Fewer groups there cost two thirds of a short training's AP.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(HEAD_GROUPS, channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class Head(FCOSHead):
    """torchvision's FCOS head with `HeadNorm` and box distances initialised to one unit on every side.

    torchvision initialises them to zero, before a ReLU: all boxes can die in the first steps of a training.
    """

    def __init__(self, channels: int, classes: int, depth: int) -> None:
        super().__init__(channels, 1, classes, depth)
        self.classification_head = FCOSClassificationHead(channels, 1, classes, depth, norm_layer=HeadNorm)
        self.regression_head = FCOSRegressionHead(channels, 1, depth, norm_layer=HeadNorm)
        nn.init.constant_(self.regression_head.get_parameter("bbox_reg.bias"), 1.0)


class AttentiveHead(Head):
    """An FCOS head with separate attention before its class and box towers (DSA)."""

    def __init__(self, channels: int, classes: int, depth: int, attention: Op, levels: tuple[int, ...]) -> None:
        super().__init__(channels, classes, depth)
        self.class_attention = PyramidAttention(attention, channels, levels)
        self.box_attention = PyramidAttention(attention, channels, levels)

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """Maps, finest first -> cls_logits (N, P, K), bbox_regression (N, P, 4), bbox_ctrness (N, P, 1)."""
        logits = self.classification_head(self.class_attention(x))
        boxes, centres = self.regression_head(self.box_attention(x))
        return {"cls_logits": logits, "bbox_regression": boxes, "bbox_ctrness": centres}


def build_fcos(backbone: Backbone, head: Op, scale: Scale, num_classes: int, config: DetectorConfig) -> nn.Module:
    """FCOS with `num_classes` foreground classes, labelled from 0.

    Raises:
        GenotypeError: torchvision's head cannot have the scale's widths.
    """
    channels = backbone.out_channels
    require_groups(channels, scale)
    towers = (
        AttentiveHead(channels, num_classes, scale.head_depth, head["attention"][0], backbone.levels)
        if head["attention"]
        else Head(channels, num_classes, scale.head_depth)
    )
    units = tuple((config.box_unit * 2**level,) for level in backbone.levels)
    detector = Fcos(
        backbone,
        num_classes,
        anchor_generator=AnchorGenerator(units, ((1.0,),) * len(units)),
        head=towers,
        score_thresh=config.score_threshold,
        nms_thresh=config.nms_threshold,
        detections_per_img=config.max_detections,
    )
    detector.transform = BatchTransform.like(detector.transform)
    return detector
