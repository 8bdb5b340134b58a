"""Average precision is COCO's, to the last digit."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from support import shared_data
from torch import Tensor, nn
from torchvision.ops import roi_align

from nas.data.cache import Images, letterbox
from nas.data.coco import read_split
from nas.data.detection_set import Category, DataError, DetectionSet
from nas.data.targets import Target
from nas.training.batches import Batches
from nas.training.evaluation import MASK_METRICS, METRICS, Evaluator, coco_metrics, evaluate, to_coco

CASES = {
    "val2014_100/bbox": ("instances_val2014_100.json", "instances_val2014_fakebbox100_results.json"),
    "val2014_100/segm": ("instances_val2014_100.json", "instances_val2014_fakesegm100_results.json"),
    "mini483/bbox": ("instances_mini483.json", "instances_mini483_fakebbox_results.json.gz"),
}


def _read(path: Path) -> Any:
    return json.loads(gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes())


@pytest.mark.parametrize("evaluator", get_args(Evaluator))
@pytest.mark.parametrize("case", CASES)
def test_the_reference_numbers_are_reproduced(case: str, evaluator: Evaluator) -> None:
    folder = shared_data() / "data" / "cocoeval_ref"
    truth, results = (_read(folder / name) for name in CASES[case])
    ours = coco_metrics(truth, results, kind="segm" if case.endswith("segm") else "bbox", evaluator=evaluator)
    assert tuple(ours) == METRICS
    assert list(ours.values()) == pytest.approx(_read(folder / "expected.json")[case]["stats"], rel=0, abs=1e-12)


def test_masks_are_scored_as_masks_where_boxes_stand_beside_them() -> None:
    folder = shared_data() / "data" / "cocoeval_ref"
    truth, results = (_read(folder / name) for name in CASES["val2014_100/segm"])
    boxed = [{**found, "bbox": [0.0, 0.0, 1.0, 1.0]} for found in results]
    assert coco_metrics(truth, boxed, kind="segm") == coco_metrics(truth, results, kind="segm")


def test_no_detections_score_nothing_where_there_is_something_to_find() -> None:
    large = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 200, 200], "area": 40000, "iscrowd": 0}
    truth = {"images": [{"id": 1}], "annotations": [large], "categories": [{"id": 1}]}
    scores = coco_metrics(truth, [])
    assert (scores["AP"], scores["APl"], scores["APs"]) == (0.0, 0.0, -1.0)


class _Oracle(nn.Module):
    """Finds every object of a set, masks in the frames of their boxes, whatever it is shown."""

    def __init__(self, data: DetectionSet, images: Images, *, masks: bool) -> None:
        super().__init__()
        batch = Batches(data, images, len(data), masks)
        self.truth = list(batch._batch(np.arange(len(data)), np.zeros(len(data), bool), "cpu")[1])
        self.masks = masks

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        return [self._found(truth) for truth in self.truth]

    def _found(self, truth: Target) -> dict[str, Tensor]:
        found = {**truth, "scores": torch.ones(len(truth["labels"]))}
        if self.masks:
            rois = torch.cat((torch.arange(len(truth["boxes"]))[:, None].float(), truth["boxes"]), 1)
            found["masks"] = roi_align(truth["masks"][:, None].float(), rois, 28)
        return found


SIZE = 480


@pytest.fixture(scope="module")
def real() -> tuple[DetectionSet, Images]:
    folder = shared_data() / "data" / "coco_mini"
    data = read_split(folder / "val.json", folder / "images").subset(12)
    return data, letterbox(data, SIZE)


def test_boxes_and_masks_are_scored_in_stored_pixels(real: tuple[DetectionSet, Images]) -> None:
    """The truth as 28x28 masks: all that is lost is detail below a 28th of a box."""
    data, images = real
    scores = evaluate(_Oracle(data, images, masks=True), data, images, device="cpu")
    assert tuple(scores) == (*METRICS, *MASK_METRICS)
    assert scores["AP"] == pytest.approx(1.0)
    assert scores["mask_AP50"] > 0.97
    assert scores["mask_APl"] > 0.8


def test_masks_are_scored_only_where_they_are_found_and_known(real: tuple[DetectionSet, Images]) -> None:
    data, images = real
    assert tuple(evaluate(_Oracle(data, images, masks=False), data, images, device="cpu")) == METRICS
    bare = replace(data, segments=None)
    assert tuple(evaluate(_Oracle(data, images, masks=True), bare, images, device="cpu")) == METRICS


def test_a_detector_that_knows_more_categories_is_scored_alike(real: tuple[DetectionSet, Images]) -> None:
    """As SpineNet's 91 outputs are on COCO's 80 categories: a label is a place among the detector's own."""
    data, images = real
    known = tuple(Category(k, {c.id: c.name for c in data.categories}.get(k, "N/A")) for k in range(91))
    relabelled = data.under(known)
    assert [known[label].id for label in relabelled.labels[0]] == [data.categories[i].id for i in data.labels[0]]
    oracle = _Oracle(relabelled, images, masks=False)
    assert evaluate(oracle, relabelled, images, device="cpu") == evaluate(
        _Oracle(data, images, masks=False), data, images, device="cpu"
    )


def test_a_category_that_a_detector_does_not_know_is_named(real: tuple[DetectionSet, Images]) -> None:
    data, _ = real
    with pytest.raises(DataError, match=r"the category 'person' \(id 1\) and 1 more, which the detector does not know"):
        data.under(data.categories[2:])


def test_found_masks_are_fit_for_json(real: tuple[DetectionSet, Images]) -> None:
    data, images = real
    (first, *_) = _Oracle(data, images, masks=True)(torch.zeros(12, 3, SIZE, SIZE))
    found = to_coco(data, 0, float(images.scales[0]), first)
    assert json.loads(json.dumps(found)) == found
    assert all(tuple(one["segmentation"]["size"]) == data.sizes[0] for one in found)
