"""The losses of FCOS (arXiv 1904.01355, section 3) for a whole batch: as torchvision's, without a loop over images."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.models.detection._utils import BoxLinearCoder
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from nas.data.targets import Targets


def fcos_losses(
    outputs: dict[str, Tensor], targets: Targets, anchors: Tensor, matched: Tensor, coder: BoxLinearCoder
) -> dict[str, Tensor]:
    """classification, bbox_regression and bbox_ctrness, normalised by the positive points of the batch.

    Shapes do not depend on the positive points, so the host never synchronises with the device.

    Args:
        outputs: cls_logits (N, P, K), bbox_regression (N, P, 4), bbox_ctrness (N, P, 1).
        targets: objects of the N images.
        anchors: (P, 4) squares around the points.
        matched: (N, P) index into the image's objects, -1 for none.
        coder: decodes the outputs to boxes.
    """
    positive, chosen = matched >= 0, matched.clamp(min=0)
    count = positive.sum().clamp(min=1)
    mask = positive[..., None]
    logits = outputs["cls_logits"]
    classes = torch.arange(logits.shape[-1], device=logits.device)
    wanted = (targets.labels.gather(1, chosen)[..., None] == classes) & mask
    # at other points prediction and target are the anchor, with zero weight
    boxes = torch.where(mask, targets.boxes.gather(1, chosen[..., None].expand(-1, -1, 4)), anchors)
    regression = torch.where(mask, outputs["bbox_regression"], 0.5)
    left, top, right, bottom = coder.encode(anchors, boxes).unbind(-1)
    horizontal = torch.minimum(left, right) / torch.maximum(left, right)
    vertical = torch.minimum(top, bottom) / torch.maximum(top, bottom)
    centerness = (horizontal * vertical).sqrt()
    giou = generalized_box_iou_loss(coder.decode(regression, anchors), boxes)
    entropy = binary_cross_entropy_with_logits(outputs["bbox_ctrness"][..., 0], centerness, reduction="none")
    losses = {
        "classification": sigmoid_focal_loss(logits, wanted.to(logits.dtype), reduction="sum"),
        "bbox_regression": (giou * positive).sum(),
        "bbox_ctrness": (entropy * positive).sum(),
    }
    return {name: loss / count for name, loss in losses.items()}
