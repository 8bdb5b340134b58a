"""RetinaNet's head: two towers with torchvision's predictors and losses (arXiv 1708.02002, section 4)."""

from collections.abc import Callable

from torch import Tensor, nn
from torchvision.models.detection.retinanet import RetinaNetClassificationHead, RetinaNetRegressionHead

from nas.detectors.config import DetectorConfig
from nas.detectors.cost import ANCHORS
from nas.detectors.retinanet.confidence import confidence_loss, scored
from nas.detectors.retinanet.tower import INIT_STD, Tower
from nas.ops.part.dsa import PyramidAttention
from search_spaces.genotype import Scale
from search_spaces.ops import Op

NORMED_STD = 1e-5
"""Of the predictors in SpineNet's release, whose towers have norms."""


Norm = Callable[[int], nn.Module]


class RetinaHead(nn.Module):
    """Maps, finest first -> cls_logits (N, P, K) and bbox_regression (N, P, 4), optionally confidence (N, P, 1).

    Attention, if any, is separate for class and box tower (DSA, arXiv 2012.07630); the confidence shares the class
    tower.
    """

    def __init__(
        self, op: Op, channels: int, levels: tuple[int, ...], scale: Scale, num_classes: int, config: DetectorConfig
    ) -> None:
        super().__init__()
        normed = op["norm"] == "batch"
        self.op = op
        self.class_tower, self.box_tower = (
            _tower(op, channels, levels, scale, config.norm if normed else None) for _ in range(2)
        )
        width, std = self.class_tower.out_channels, NORMED_STD if normed else INIT_STD
        self.classes = _classes(width, num_classes, std)
        self.boxes = _boxes(width, std)
        self.confidence = _confidence(width) if op["confidence"] else None
        self.class_attention, self.box_attention = (_attention(op, channels, levels) for _ in range(2))

    def forward(self, maps: list[Tensor]) -> dict[str, Tensor]:
        features = self.class_tower(self.class_attention(maps))
        boxes = self.boxes(self.box_tower(self.box_attention(maps)))
        outputs = {"cls_logits": self.classes(features), "bbox_regression": boxes}
        return outputs if self.confidence is None else {**outputs, "confidence": self.confidence(features)}

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched: list[Tensor],
    ) -> dict[str, Tensor]:
        """Focal loss of the classes and L1 of the boxes, as torchvision's; cross-entropy of the confidence, if any."""
        losses = {
            "classification": self.classes.compute_loss(targets, outputs, matched),
            "bbox_regression": self.boxes.compute_loss(targets, outputs, anchors, matched),
        }
        if self.confidence is not None:
            objects = [target["boxes"] for target in targets]
            losses["confidence"] = confidence_loss(
                outputs, self.boxes, objects, anchors, matched, attached=self.op["confidence_attached"]
            )
        return losses

    def with_confidence(self, outputs: dict[str, list[Tensor]]) -> dict[str, list[Tensor]]:
        """Outputs of each level, with the class logits of the final scores."""
        if self.confidence is None:
            return outputs
        logits = scored(
            outputs["cls_logits"],
            outputs["confidence"],
            self.op["confidence_power"],
            only_large=self.op["confidence_only_large"],
        )
        return {**outputs, "cls_logits": logits}


def _tower(op: Op, channels: int, levels: tuple[int, ...], scale: Scale, norm: Norm | None) -> Tower:
    return Tower(channels, scale.head_width or channels, scale.head_depth, len(levels), op["act"], norm)


def _attention(op: Op, channels: int, levels: tuple[int, ...]) -> nn.Module:
    return PyramidAttention(op["attention"][0], channels, levels) if op["attention"] else nn.Identity()


def _classes(width: int, num_classes: int, std: float) -> RetinaNetClassificationHead:
    """torchvision's class head without its tower; class probabilities start at .01."""
    head = RetinaNetClassificationHead(width, ANCHORS, num_classes)
    head.conv = nn.Sequential()
    nn.init.normal_(head.cls_logits.weight, std=std)
    return head


def _confidence(width: int) -> RetinaNetClassificationHead:
    """One logit per anchor, in the layout of a single class."""
    head = _classes(width, 1, INIT_STD)
    nn.init.zeros_(head.get_parameter("cls_logits.bias"))
    return head


def _boxes(width: int, std: float) -> RetinaNetRegressionHead:
    """torchvision's box head without its tower."""
    head = RetinaNetRegressionHead(width, ANCHORS)
    head.conv = nn.Sequential()
    nn.init.normal_(head.bbox_reg.weight, std=std)
    return head
