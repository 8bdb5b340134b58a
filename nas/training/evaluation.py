"""COCO average precision, by pycocotools."""

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection.roi_heads import paste_masks_in_image

from nas.data.cache import Images
from nas.data.detection_set import DataError, DetectionSet, IntArray
from nas.data.masks import compressed, encode, mask_fault

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""COCO's 12 metrics in the order of `COCOeval.stats`; -1 if the set has no object of that kind."""


Evaluator = Literal["pycocotools", "faster-coco-eval"]
"""Implementation of the metrics: COCO's own code, or a port of it in C++ with equal results."""

MASK_METRICS = tuple(f"mask_{name}" for name in METRICS)
"""The same metrics for masks."""


def coco_metrics(
    ground_truth: Mapping[str, Any],
    detections: Sequence[Mapping[str, Any]],
    *,
    kind: Literal["bbox", "segm"] = "bbox",
    evaluator: Evaluator = "pycocotools",
) -> dict[str, float]:
    """Score detections in COCO's result format against a COCO document, by their boxes or their masks.

    The arguments are not changed, and ids may be any integers: the evaluators get ids from 1 up instead.

    Returns:
        The 12 COCO metrics by name.

    Raises:
        DataError: a mask is malformed, or a detection's image is not in the document.
    """
    COCO, COCOeval = _implementation(evaluator)
    document, found = _renumbered(ground_truth, detections, masks=kind == "segm")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = document
        truth.createIndex()
        results = truth.loadRes(found) if found else _nothing_found(truth)
        evaluation = COCOeval(truth, results, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(METRICS, map(float, evaluation.stats[: len(METRICS)]), strict=True))


def _renumbered(
    ground_truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]], *, masks: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Copies with ids that suit the evaluators, which write into their arguments.

    pycocotools treats annotation id 0 as no match, faster-coco-eval 1.8 all ids below 1; both store ids as doubles.
    """
    images, categories = (_numbers(ground_truth[table]) for table in ("images", "categories"))
    if stray := next((d["image_id"] for d in detections if d["image_id"] not in images), None):
        raise DataError(f"a detection is of image_id {stray}, which the ground truth does not have: drop it")
    # given a box too, pycocotools would use the box's area for the mask's
    left_out = {"bbox", "id"} if masks else {"segmentation", "id"}

    def numbered(record: Mapping[str, Any]) -> dict[str, Any]:
        # 0 is not a category: detections of unknown categories match nothing
        return {"image_id": images[record["image_id"]], "category_id": categories.get(record["category_id"], 0)}

    objects = [{"iscrowd": 0, **a, **numbered(a), "id": n} for n, a in enumerate(ground_truth["annotations"], 1)]
    found = [{k: v for k, v in d.items() if k not in left_out} | numbered(d) for d in detections]
    if masks:
        shapes = {images[i["id"]]: (i.get("height"), i.get("width")) for i in ground_truth["images"]}
        _require_masks("annotation", objects, shapes)
        _require_masks("detection", found, shapes)
        for one in found:
            one["segmentation"] = compressed(one["segmentation"], shapes[one["image_id"]])
    document = {
        **ground_truth,
        "images": [{**image, "id": images[image["id"]]} for image in ground_truth["images"]],
        "categories": [{**one, "id": categories[one["id"]]} for one in ground_truth["categories"]],
        "annotations": objects,
    }
    return document, found


def _numbers(records: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Id -> number from 1 up, in the order of ids: evaluators rank equal scores in that order."""
    return {key: number for number, key in enumerate(sorted(record["id"] for record in records), 1)}


def _require_masks(what: str, records: Sequence[Mapping[str, Any]], shapes: Mapping[int, Any]) -> None:
    """Reject masks on which pycocotools' C code would loop or write out of bounds."""
    for index, record in enumerate(records):
        segmentation = record.get("segmentation")
        if isinstance(segmentation, dict) and isinstance(segmentation.get("counts"), bytes):  # as pycocotools encodes
            segmentation = {**segmentation, "counts": segmentation["counts"].decode("latin-1")}
        if fault := mask_fault(segmentation, shapes[record["image_id"]]):
            raise DataError(f"the mask of the {what} at index {index} {fault}: correct it, or leave it out")


def _implementation(evaluator: Evaluator) -> tuple[Any, Any]:
    """The classes `COCO` and `COCOeval`; imported on use, as most commands do not evaluate."""
    if evaluator == "faster-coco-eval":
        from faster_coco_eval import COCO, COCOeval_faster

        return COCO, COCOeval_faster
    from pycocotools.coco import COCO as OfficialCOCO
    from pycocotools.cocoeval import COCOeval

    return OfficialCOCO, COCOeval


def _nothing_found(truth: Any) -> Any:
    """A COCO of the same images without annotations: `loadRes` rejects an empty list."""
    found = type(truth)()
    found.dataset = {**truth.dataset, "annotations": []}
    found.createIndex()
    return found


def to_coco(data: DetectionSet, position: int, scale: float, detected: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """Detections of one image in COCO's result format: original pixels, original category ids.

    Masks (M, 1, m, m) in the frames of their boxes become run lengths of the stored image.
    """
    boxes = detected["boxes"].double().cpu().numpy() / scale
    boxes[:, 2:] -= boxes[:, :2]
    found = [
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
    if "masks" not in detected:
        return found
    return [
        {**one, "segmentation": runs} for one, runs in zip(found, _runs(data, position, scale, detected), strict=True)
    ]


def _runs(data: DetectionSet, position: int, scale: float, detected: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    masks, boxes = detected["masks"].float().cpu(), detected["boxes"].float().cpu() / scale
    # in chunks: a hundred masks of a large image take gigabytes
    parts = zip(torch.split(masks, 16), torch.split(boxes, 16), strict=True)
    pasted = [paste_masks_in_image(*part, data.sizes[position])[:, 0] > 0.5 for part in parts]
    return [runs for part in pasted if len(part) for runs in encode(part.numpy())]


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    data: DetectionSet,
    images: Images,
    *,
    device: str,
    batch_size: int = 32,
    evaluator: Evaluator = "pycocotools",
) -> dict[str, float]:
    """The 12 COCO metrics of a detector on a whole set. Leaves the model in evaluation mode.

    If both the detector and the set have masks, 12 more follow, named `mask_AP` and so on.
    """
    model.eval()
    masks = data.segments is not None
    found: list[dict[str, Any]] = []
    for chosen in _chunks(len(data), batch_size):
        batch = torch.from_numpy(images.take(chosen)).to(device, torch.float32).div_(255)
        for position, detected in zip(chosen.tolist(), model(batch), strict=True):
            found += to_coco(data, position, float(images.scales[position]), detected)
            masks = masks and "masks" in detected
    scores = coco_metrics(data.ground_truth, found, evaluator=evaluator)
    if not masks:
        return scores
    of_masks = coco_metrics(data.ground_truth, found, kind="segm", evaluator=evaluator)
    return {**scores, **dict(zip(MASK_METRICS, of_masks.values(), strict=True))}


def _chunks(count: int, size: int) -> Iterable[IntArray]:
    return np.split(np.arange(count), range(size, count, size))
