"""Average precision equals that of pycocotools."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from nas.data.cache import Images, letterbox
from nas.data.detection_set import Category, DataError, DetectionSet
from nas.data.directory import read_split
from nas.data.targets import Target
from nas.training.batches import Batches
from nas.training.evaluation import MASK_METRICS, METRICS, Evaluator, coco_metrics, evaluate, to_coco
from tests.sets import Document, edit_annotations, write_set
from tests.support import shared_data

CASES = {
    "val2014_100/bbox": ("instances_val2014_100.json", "instances_val2014_fakebbox100_results.json"),
    "val2014_100/segm": ("instances_val2014_100.json", "instances_val2014_fakesegm100_results.json"),
    "mini483/bbox": ("instances_mini483.json", "instances_mini483_fakebbox_results.json.gz"),
}


def _read(path: Path) -> Any:
    return json.loads(gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes())


@pytest.mark.parametrize("evaluator", get_args(Evaluator))
@pytest.mark.parametrize("case", CASES)
def test_metrics_match_the_reference_numbers(case: str, evaluator: Evaluator) -> None:
    folder = shared_data() / "data" / "cocoeval_ref"
    truth, results = (_read(folder / name) for name in CASES[case])
    ours = coco_metrics(truth, results, kind="segm" if case.endswith("segm") else "bbox", evaluator=evaluator)
    assert tuple(ours) == METRICS
    assert list(ours.values()) == pytest.approx(_read(folder / "expected.json")[case]["stats"], rel=0, abs=1e-12)


def test_mask_metrics_ignore_boxes_of_detections() -> None:
    folder = shared_data() / "data" / "cocoeval_ref"
    truth, results = (_read(folder / name) for name in CASES["val2014_100/segm"])
    boxed = [{**found, "bbox": [0.0, 0.0, 1.0, 1.0]} for found in results]
    assert coco_metrics(truth, boxed, kind="segm") == coco_metrics(truth, results, kind="segm")


def test_missing_detections_score_ap_0() -> None:
    large = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 200, 200], "area": 40000, "iscrowd": 0}
    truth = {"images": [{"id": 1}], "annotations": [large], "categories": [{"id": 1}]}
    scores = coco_metrics(truth, [])
    assert (scores["AP"], scores["APl"], scores["APs"]) == (0.0, 0.0, -1.0)


def _scene(number: Callable[[int], int]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Twelve objects in four images, with ids from `number`, and one detection of each.

    In each image, the middle detection is shifted by 12 px: a true positive only at low IoU thresholds.
    """
    truth: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": number(0), "name": "box"}]}
    found: list[dict[str, Any]] = []
    for i in range(4):
        truth["images"].append({"id": number(i), "width": 200, "height": 200, "file_name": f"{i}.png"})
        for j in range(3):
            key, box = 3 * i + j, [60.0 * j, 10.0 + i, 40.0, 40.0]
            truth["annotations"].append(
                {
                    "id": number(key),
                    "image_id": number(i),
                    "category_id": number(0),
                    "bbox": box,
                    "area": 1600,
                    "iscrowd": 0,
                }
            )
            score, shifted = 0.9 - key / 100, [box[0] + (12 if j == 1 else 0), *box[1:]]
            found.append({"image_id": number(i), "category_id": number(0), "bbox": shifted, "score": score})
    return truth, found


@pytest.mark.parametrize("evaluator", get_args(Evaluator))
@pytest.mark.parametrize(
    "number",
    [lambda k: k, lambda k: -1 - k, lambda k: 2**53 + k, lambda k: 2**62 + k, lambda k: -(2**62) - k],
    ids=["from 0", "negative", "from 2**53", "from 2**62", "from -2**62 down"],
)
def test_metrics_do_not_depend_on_ids(evaluator: Evaluator, number: Callable[[int], int]) -> None:
    """faster-coco-eval takes annotation ids below 1 for unmatched, and both evaluators store ids as doubles."""
    plain = coco_metrics(*_scene(lambda k: k + 1))
    assert plain["AP50"] == pytest.approx(1.0)
    assert 0.5 < plain["AP"] < 0.9
    assert coco_metrics(*_scene(number), evaluator=evaluator) == pytest.approx(plain, rel=0, abs=1e-12)


@pytest.mark.parametrize("evaluator", get_args(Evaluator))
@pytest.mark.parametrize("case", ["val2014_100/bbox", "val2014_100/segm"])
def test_metrics_leave_their_inputs_unchanged(case: str, evaluator: Evaluator) -> None:
    folder = shared_data() / "data" / "cocoeval_ref"
    truth, results = (_read(folder / name) for name in CASES[case])
    before = json.dumps([truth, results])
    coco_metrics(truth, results, kind="segm" if case.endswith("segm") else "bbox", evaluator=evaluator)
    assert json.dumps([truth, results]) == before


def test_malformed_masks_are_refused_before_scoring() -> None:
    """The C code does not check run lengths, so those of annotations and detections are checked first."""
    truth, found = _scene(lambda k: k + 1)
    sound = {"size": [200, 200], "counts": [20000, 20000]}
    whole = [{**a, "segmentation": sound} for a in truth["annotations"]]
    masks = [{**d, "segmentation": sound} for d in found]
    assert coco_metrics({**truth, "annotations": whole}, masks, kind="segm")["AP"] > 0
    bad = {"size": [200, 200], "counts": [20000, 20001]}
    with pytest.raises(DataError, match=r"mask of the detection at index 0 has run lengths that sum to 40001"):
        coco_metrics({**truth, "annotations": whole}, [{**masks[0], "segmentation": bad}], kind="segm")
    whole[3]["segmentation"] = bad
    with pytest.raises(DataError, match=r"mask of the annotation at index 3 has run lengths that sum to 40001"):
        coco_metrics({**truth, "annotations": whole}, masks, kind="segm")


def test_detection_of_an_unknown_image_is_refused() -> None:
    truth, found = _scene(lambda k: k + 1)
    with pytest.raises(DataError, match="image_id 99, which the ground truth does not have"):
        coco_metrics(truth, [{**found[0], "image_id": 99}])


class _Oracle(nn.Module):
    """Returns every object of a data set, with masks relative to their boxes, and ignores its input."""

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


def test_evaluate_scores_boxes_and_masks_in_stored_pixels(real: tuple[DetectionSet, Images]) -> None:
    """Ground truth as 28x28 masks loses only detail below 1/28 of a box."""
    data, images = real
    scores = evaluate(_Oracle(data, images, masks=True), data, images, device="cpu")
    assert tuple(scores) == (*METRICS, *MASK_METRICS)
    assert scores["AP"] == pytest.approx(1.0)
    assert scores["mask_AP50"] > 0.97
    assert scores["mask_APl"] > 0.8


@pytest.mark.parametrize("evaluator", get_args(Evaluator))
@pytest.mark.parametrize("first", [0, -100, 2**53, -(2**62)])
def test_evaluate_does_not_depend_on_ids(tmp_path: Path, first: int, evaluator: Evaluator) -> None:
    """A perfect detector scores AP 1 with either evaluator, and its results keep the ids of the file."""

    def renumbered(split: str, document: Document) -> None:
        for table in ("images", "annotations", "categories"):
            for record in document[table]:
                record["id"] += first
        for annotation in document["annotations"]:
            annotation["image_id"] += first
            annotation["category_id"] += first

    write_set(tmp_path, change=renumbered)
    data = read_split(tmp_path / "val.json", tmp_path / "images")
    images = letterbox(data, 96)
    oracle = _Oracle(data, images, masks=False)
    assert evaluate(oracle, data, images, device="cpu", evaluator=evaluator)["AP"] == pytest.approx(1.0)
    found = to_coco(data, 0, float(images.scales[0]), oracle(torch.zeros(4, 3, 96, 96))[0])
    assert {one["image_id"] for one in found} == {1 + first}
    assert {one["category_id"] for one in found} <= {1 + first, 2 + first, 3 + first}


def test_areas_of_0_do_not_change_the_size_class(tmp_path: Path) -> None:
    """The size class follows the box size, even if the exporter wrote area 0."""
    write_set(tmp_path, size=(300, 300), change=edit_annotations(area=lambda a: 0))
    data = read_split(tmp_path / "val.json", tmp_path / "images")
    images = letterbox(data, 300)
    scores = evaluate(_Oracle(data, images, masks=False), data, images, device="cpu")
    sides = [a["bbox"][2] for a in data.ground_truth["annotations"]]
    assert {"APm" if 32 <= side < 96 else "APl" for side in sides} == {k for k in ("APm", "APl") if scores[k] >= 0}
    assert scores["APs"] == -1


def test_mask_metrics_need_predicted_and_annotated_masks(real: tuple[DetectionSet, Images]) -> None:
    data, images = real
    assert tuple(evaluate(_Oracle(data, images, masks=False), data, images, device="cpu")) == METRICS
    bare = replace(data, segments=None)
    assert tuple(evaluate(_Oracle(data, images, masks=True), bare, images, device="cpu")) == METRICS


def test_additional_categories_of_the_detector_do_not_change_the_score(real: tuple[DetectionSet, Images]) -> None:
    """As with SpineNet's 91 outputs on COCO's 80 categories: labels are indices of the detector's categories."""
    data, images = real
    known = tuple(Category(k, {c.id: c.name for c in data.categories}.get(k, "N/A")) for k in range(91))
    relabelled = data.under(known)
    assert [known[label].id for label in relabelled.labels[0]] == [data.categories[i].id for i in data.labels[0]]
    oracle = _Oracle(relabelled, images, masks=False)
    assert evaluate(oracle, relabelled, images, device="cpu") == evaluate(
        _Oracle(data, images, masks=False), data, images, device="cpu"
    )


def test_category_unknown_to_the_detector_is_refused(real: tuple[DetectionSet, Images]) -> None:
    data, _ = real
    with pytest.raises(DataError, match=r"the category 'person' \(id 1\) and 1 more, which the detector does not know"):
        data.under(data.categories[2:])


def test_predicted_masks_are_json_serialisable(real: tuple[DetectionSet, Images]) -> None:
    data, images = real
    (first, *_) = _Oracle(data, images, masks=True)(torch.zeros(12, 3, SIZE, SIZE))
    found = to_coco(data, 0, float(images.scales[0]), first)
    assert json.loads(json.dumps(found)) == found
    assert all(tuple(one["segmentation"]["size"]) == data.sizes[0] for one in found)
