"""Average precision is COCO's, to the last digit."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from support import shared_data

from nas.training.evaluation import METRICS, coco_metrics

CASES = {
    "val2014_100/bbox": ("instances_val2014_100.json", "instances_val2014_fakebbox100_results.json"),
    "mini483/bbox": ("instances_mini483.json", "instances_mini483_fakebbox_results.json.gz"),
}


def _read(path: Path) -> Any:
    return json.loads(gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes())


@pytest.mark.parametrize("case", CASES)
def test_the_reference_numbers_are_reproduced(case: str) -> None:
    folder = shared_data() / "data" / "cocoeval_ref"
    truth, results = (_read(folder / name) for name in CASES[case])
    ours = coco_metrics(truth, results)
    assert tuple(ours) == METRICS
    assert list(ours.values()) == pytest.approx(_read(folder / "expected.json")[case]["stats"], rel=0, abs=1e-12)


def test_no_detections_score_nothing() -> None:
    truth = {"images": [{"id": 1}], "annotations": [], "categories": [{"id": 1}]}
    assert coco_metrics(truth, []) == dict.fromkeys(METRICS, 0.0)
