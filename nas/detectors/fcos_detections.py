"""What FCOS finds (arXiv 1904.01355, section 3) in a whole batch: as torchvision, without its loop over images."""

import torch
from torch import Tensor
from torchvision.models.detection._utils import BoxLinearCoder
from torchvision.ops import batched_nms, clip_boxes_to_image

from nas.data.targets import Target


def fcos_detections(
    logits: list[Tensor],
    distances: list[Tensor],
    centredness: list[Tensor],
    anchors: list[Tensor],
    *,
    coder: BoxLinearCoder,
    image_size: tuple[int, int],
    score_threshold: float,
    nms_threshold: float,
    candidates: int,
    most: int,
) -> list[Target]:
    """boxes (M, 4), scores (M,) and labels (M,) of each of N images of one size, best first.

    Args:
        logits: (N, P, K) of each level.
        distances: (N, P, 4) of each level, as the coder reads them.
        centredness: (N, P, 1) logits of each level.
        anchors: (P, 4) of each level.
        image_size: height and width, px, that boxes are clipped to.
        candidates: the best of a level in an image that are looked at.
        most: detections of an image.
    """
    found = [
        _candidates(*level, coder, score_threshold, candidates)
        for level in zip(logits, distances, centredness, anchors, strict=True)
    ]
    boxes, scores, labels, images = (torch.cat(parts) for parts in zip(*found, strict=True))
    boxes = clip_boxes_to_image(boxes, image_size)
    groups = images * logits[0].shape[-1] + labels
    # in double precision: groups are told apart by shifting them, some so far that floats lose an eighth of a pixel
    kept = batched_nms(boxes.double(), scores.double(), groups, nms_threshold)
    kept = kept[images[kept].argsort(stable=True)]  # best first within each image
    counts = torch.bincount(images[kept], minlength=len(logits[0])).tolist()
    return [
        {"boxes": boxes[mine], "scores": scores[mine], "labels": labels[mine]}
        for mine in (of_image[:most] for of_image in torch.split(kept, counts))
    ]


def _candidates(
    logits: Tensor,
    distances: Tensor,
    centredness: Tensor,
    anchors: Tensor,
    coder: BoxLinearCoder,
    threshold: float,
    most: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Boxes, scores, labels and images of what exceeds the threshold on one level, images in order."""
    scores = (logits.sigmoid() * centredness.sigmoid()).sqrt().flatten(1)
    exceeds = scores > threshold
    if scores.shape[1] > most and int(exceeds.sum(1).max()) > most:
        exceeds.logical_and_(scores >= scores.topk(most).values[:, -1:])
    image, place = exceeds.nonzero(as_tuple=True)
    scores = scores[image, place]
    point, label = place.div(logits.shape[-1], rounding_mode="floor"), place % logits.shape[-1]
    return coder.decode(distances[image, point], anchors[point]), scores, label, image
