"""The losses of FCOS (arXiv 1904.01355, section 3) for a whole batch: torchvision's, without its loop over images."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot
from torchvision.models.detection._utils import BoxLinearCoder
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from nas.data.targets import Targets


def fcos_losses(
    outputs: dict[str, Tensor], targets: Targets, anchors: Tensor, matched: Tensor, coder: BoxLinearCoder
) -> dict[str, Tensor]:
    """classification, bbox_regression and bbox_ctrness, normalised by the positive points of the batch.

    The host waits for the device once, to learn which points are positive.

    Args:
        outputs: cls_logits (N, P, K), bbox_regression (N, P, 4), bbox_ctrness (N, P, 1).
        targets: of the N images.
        anchors: (P, 4) squares around the points.
        matched: (N, P) index into the image's objects, -1 for none.
        coder: turns the outputs into boxes.
    """
    image, point = (matched >= 0).nonzero(as_tuple=True)
    positives = max(1, len(image))
    chosen = matched[image, point]
    boxes, at = targets.boxes[image, chosen], anchors[point]

    logits = outputs["cls_logits"]
    wanted = torch.zeros_like(logits)
    wanted[image, point] = one_hot(targets.labels[image, chosen], logits.shape[-1]).to(wanted.dtype)
    left, top, right, bottom = coder.encode(at, boxes).unbind(-1)
    across = torch.minimum(left, right) / torch.maximum(left, right)
    along = torch.minimum(top, bottom) / torch.maximum(top, bottom)
    centred = (across * along).sqrt()
    losses = {
        "classification": sigmoid_focal_loss(logits, wanted, reduction="sum"),
        "bbox_regression": generalized_box_iou_loss(
            coder.decode(outputs["bbox_regression"][image, point], at), boxes, reduction="sum"
        ),
        "bbox_ctrness": binary_cross_entropy_with_logits(
            outputs["bbox_ctrness"][image, point, 0], centred, reduction="sum"
        ),
    }
    return {name: loss / positives for name, loss in losses.items()}
