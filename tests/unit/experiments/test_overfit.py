"""Every detector overfits: a short training on drawn shapes, a full one on 16 images of COCO."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from experiments.overfit.__main__ import MEDIUM, Arguments, choose_images, main, overfit
from experiments.overfit.cases import CASES
from nas.data.detection_set import DetectionSet
from nas.data.directory import read_split
from nas.detectors import HEADS
from nas.detectors.config import DetectorConfig
from tests.support import shared_data

SIZE = 64
CORNERS = {7: 3, 3: 4, 90: 8}
"""Category id -> number of corners of its shape; ids are neither contiguous nor sorted."""
COLOURS = {7: (230, 60, 40), 3: (40, 200, 60), 90: (60, 90, 240)}


def _shape(category: int, x: float, y: float, side: float) -> list[float]:
    """Corners of a regular polygon about a point, x and y alternating, px."""
    angles = np.arange(CORNERS[category]) / CORNERS[category] * 2 * np.pi + np.pi / 4
    return np.stack((x + np.cos(angles) * side / 2, y + np.sin(angles) * side / 2), 1).ravel().tolist()


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> DetectionSet:
    """A COCO directory of four images with two shapes each; the images are wide, so that they are letterboxed."""
    folder, rng, annotations = tmp_path_factory.mktemp("shapes"), np.random.default_rng(0), []
    for image_id in range(1, 5):
        image = Image.new("RGB", (128, 96), (110, 110, 110))
        for place, category in zip((34, 94), rng.permutation(list(CORNERS))[:2].tolist(), strict=True):
            polygon = _shape(category, place, rng.uniform(34, 60), rng.uniform(36, 60))
            ImageDraw.Draw(image).polygon(polygon, fill=COLOURS[category])
            low, high = np.reshape(polygon, (-1, 2)).min(0), np.reshape(polygon, (-1, 2)).max(0)
            box = [*low.tolist(), *(high - low).tolist()]
            annotations.append({"image_id": image_id, "category_id": category, "bbox": box, "segmentation": [polygon]})
        image.save(folder / f"{image_id}.png")
    document = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 128, "height": 96} for i in range(1, 5)],
        "categories": [{"id": i, "name": str(i)} for i in CORNERS],
        "annotations": annotations,
    }
    (folder / "shapes.json").write_text(json.dumps(document))
    return read_split(folder / "shapes.json", folder)


def test_every_head_has_a_case() -> None:
    assert set(CASES) == set(HEADS)


SHORT = DetectorConfig(box_unit=0.5, nms_threshold=0.5, proposals=60, samples=64)


@pytest.mark.parametrize("name", CASES)
def test_a_short_training_makes_clear_progress(name: str, shapes: DetectionSet, tmp_path: Path) -> None:
    """Sixty steps of four images, over seeds and instruction sets: the last loss is at most .28 +- .04 of the first
    (cascade), and AP50 is .996 +- .014. If images and targets do not belong together, AP50 is at most .5.
    """
    scale = replace(CASES[name].scale, width=0.125, output_width=32, head_depth=1)
    case = replace(CASES[name], epochs=60, scale=scale, detector=SHORT)
    outcome = overfit(case, shapes, SIZE, tmp_path)
    assert outcome.last_loss < 0.42 * outcome.first_loss
    for score in case.floors:
        assert outcome.scores[f"{score}50"] > 0.8


def test_chosen_images_have_no_crowds_and_no_small_objects() -> None:
    folder = shared_data() / "data" / "coco_mini"
    data = choose_images(read_split(folder / "train.json", folder / "images"), 16, 256)
    assert len(data) == 16
    scales = {i: 256 / max(size) for i, size in zip(data.image_ids, data.sizes, strict=True)}
    annotations = data.ground_truth["annotations"]
    assert {a["image_id"] for a in annotations} == set(data.image_ids)
    assert all(not a["iscrowd"] and a["area"] * scales[a["image_id"]] ** 2 >= MEDIUM for a in annotations)
    assert all(data.load(i).shape[:2] == size for i, size in enumerate(data.sizes))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_sixteen_images_are_overfitted(name: str, tmp_path: Path) -> None:
    data = shared_data() / "data" / "coco_mini"
    assert main(Arguments(name, data, tmp_path / "runs", tmp_path)) == 0
    record = json.loads((tmp_path / f"{name}.json").read_text())
    assert record["passed"]
    assert len(record["images"]) == 16
