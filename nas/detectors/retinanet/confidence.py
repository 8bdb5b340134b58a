"""Object confidence: predicted IoU of a box (RetinaNet-Conf, arXiv 2011.10465; released with DSA, 2012.07630)."""

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection.retinanet import RetinaNetRegressionHead

NMS_PRE = 1000
"""Candidates per level before NMS; the release applies confidence only at levels with more anchors."""


def paired_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of each box with its partner: (M, 4) and (M, 4), xyxy -> (M,)."""
    sides = (torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2])).clamp(min=0)
    overlap = sides.prod(1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (first, second)]
    return overlap / (areas[0] + areas[1] - overlap).clamp(min=torch.finfo(overlap.dtype).eps)


def confidence_loss(
    outputs: dict[str, Tensor],
    boxes: RetinaNetRegressionHead,
    objects: list[Tensor],
    anchors: list[Tensor],
    matched: list[Tensor],
    *,
    attached: bool,
) -> Tensor:
    """Cross-entropy of the confidence with the IoU of predicted box and object, over the positives of the batch.

    Args:
        outputs: the head's `bbox_regression` (N, P, 4) and `confidence` logits (N, P, 1).
        boxes: head that decodes the regression.
        objects: boxes of each image's objects, (M_i, 4), xyxy pixels.
        anchors: anchors of each image, (P, 4).
        matched: object of each anchor, (P,) per image; negative for none.
        attached: let gradients also flow through the IoU target into the box, as in the release.

    Returns:
        A scalar, divided by the number of positives; 0 without any.
    """
    logits, targets = [], []
    for i, index in enumerate(matched):
        positive = torch.where(index >= 0)[0]
        codes = outputs["bbox_regression"][i, positive].to(anchors[i].dtype)  # half precision would round the anchors
        predicted = boxes.box_coder.decode_single(codes, anchors[i][positive])
        targets.append(paired_iou(predicted, objects[i][index[positive]]))
        logits.append(outputs["confidence"][i, positive, 0].to(codes.dtype))
    target = torch.cat(targets)
    loss = _cross_entropy(torch.cat(logits), target if attached else target.detach())
    return loss.sum() / max(1, len(target))


def _cross_entropy(logit: Tensor, target: Tensor) -> Tensor:
    """Elementwise cross-entropy, differentiable in the target too."""
    return functional.softplus(logit) - logit * target


def combined_logits(classes: Tensor, confidence: Tensor, power: float) -> Tensor:
    """Logits whose sigmoid is score^(1 - power) * confidence^power: (N, P, K) and (N, P, 1) -> (N, P, K)."""
    log_score = (1 - power) * functional.logsigmoid(classes) + power * functional.logsigmoid(confidence)
    return log_score - torch.log(-torch.expm1(log_score))


def scored(classes: list[Tensor], confidence: list[Tensor], power: float, *, only_large: bool) -> list[Tensor]:
    """Class logits of each level combined with the confidence.

    Args:
        classes: logits of each level, (N, P, K).
        confidence: logits of each level, (N, P, 1).
        power: weight of the confidence, .7 in DSA's release, .4 in RetinaNet-Conf's.
        only_large: reproduce a bug of the release: levels of at most 1000 anchors use score^(1 - power) alone.
    """
    certain = torch.tensor(torch.inf)
    return [
        combined_logits(c, certain.to(c) if only_large and c.shape[1] <= NMS_PRE else q, power)
        for c, q in zip(classes, confidence, strict=True)
    ]
