"""COCO average precision, by pycocotools."""

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nas.data.cache import Images
from nas.data.detection_set import DetectionSet, IntArray

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""COCO's 12 numbers in the order of `COCOeval.stats`; -1 where no object is of the kind."""


def coco_metrics(ground_truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Score detections in COCO's result format against a COCO document.

    Returns:
        The 12 COCO numbers by name, 0 all of them if nothing was detected.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if not detections:
        return dict.fromkeys(METRICS, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dict(ground_truth)
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(list(detections)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(METRICS, map(float, evaluation.stats), strict=True))


def to_coco(data: DetectionSet, position: int, scale: float, detected: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """Detections of one image in COCO's result format: original pixels, original category ids."""
    boxes = detected["boxes"].double().cpu().numpy() / scale
    boxes[:, 2:] -= boxes[:, :2]
    return [
        {
            "image_id": data.image_ids[position],
            "category_id": data.categories[label].id,
            "bbox": box,
            "score": score,
        }
        for box, score, label in zip(
            boxes.tolist(), detected["scores"].tolist(), detected["labels"].tolist(), strict=True
        )
    ]


@torch.inference_mode()
def evaluate(
    model: nn.Module, data: DetectionSet, images: Images, *, device: str, batch_size: int = 32
) -> dict[str, float]:
    """The 12 COCO numbers of a detector on a whole set. Leaves the model in evaluation mode."""
    model.eval()
    found: list[dict[str, Any]] = []
    for chosen in _chunks(len(data), batch_size):
        batch = torch.from_numpy(images.take(chosen)).to(device, torch.float32).div_(255)
        for position, detected in zip(chosen.tolist(), model(batch), strict=True):
            found += to_coco(data, position, float(images.scales[position]), detected)
    return coco_metrics(data.ground_truth, found)


def _chunks(count: int, size: int) -> Iterable[IntArray]:
    return np.split(np.arange(count), range(size, count, size))
