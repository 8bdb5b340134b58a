"""Real data sets: counts as documented, and AP 1 for the training targets as detections."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from nas.data.detection_set import DetectionSet
from nas.data.digits.scenes import DigitsConfig
from nas.data.directory import read_split
from nas.data.open import open_data
from tests.support import shared_data


@pytest.mark.parametrize(
    ("name", "images", "objects", "crowds", "classes"),
    [
        ("bccd", (205, 87), (2804, 1137), (0, 0), 3),
        ("aquarium", (448, 127), (3323, 909), (0, 0), 7),
        ("coco_mini", (243, 117), (2226, 1057), (27, 12), 80),
    ],
)
def test_real_sets_have_their_documented_counts(
    name: str, images: tuple[int, int], objects: tuple[int, int], crowds: tuple[int, int], classes: int
) -> None:
    splits = open_data(str(shared_data() / "data" / name), DigitsConfig())
    assert tuple(map(len, splits)) == images
    assert tuple(data.num_objects for data in splits) == objects
    assert tuple(len(d.ground_truth["annotations"]) for d in splits) == tuple(np.add(objects, crowds))
    for data in splits:
        assert data.num_classes == classes
        assert data.load(0).shape[:2] == data.sizes[0]
        seen = np.unique(np.concatenate(data.labels))
        assert seen.tolist() == list(range(classes))


def average_precision(data: DetectionSet) -> float:
    """COCO AP of the training targets as detections."""
    found = [
        {
            "image_id": image,
            "category_id": data.categories[label].id,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": 1.0,
        }
        for image, boxes, labels in zip(data.image_ids, data.boxes, data.labels, strict=True)
        for (x1, y1, x2, y2), label in zip(boxes.tolist(), labels.tolist(), strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dict(data.ground_truth)
        truth.createIndex()
        scoring = COCOeval(truth, truth.loadRes(found), "bbox")
        scoring.evaluate()
        scoring.accumulate()
        scoring.summarize()
    return float(scoring.stats[0])


@pytest.mark.parametrize("name", ["bccd", "coco_mini"])
def test_targets_as_detections_score_ap_1(name: str) -> None:
    folder = shared_data() / "data" / name
    assert average_precision(read_split(folder / "val.json", folder / "images")) == pytest.approx(1.0)
