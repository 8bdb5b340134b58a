"""Check that a detector can overfit 16 images: `python -m experiments.overfit --detector faster_rcnn`.

If it cannot, its targets, resizing, losses, decoding or category mapping are wrong. The images are the first 16 of
coco_mini's training set that have objects, none of them a crowd or small by COCO's definition (below 32 x 32 px) at
256 px. The backbone is a small residual network with random initial weights; there is no augmentation.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from experiments.commands.arguments import run
from experiments.overfit.cases import CASES, Case
from nas.data.detection_set import DetectionSet
from nas.data.directory import read_directory
from nas.training.blueprint import Blueprint
from nas.training.fit import Progress, fit
from nas.training.recipe import FitConfig, Recipe

IMAGE_SIZE = 256
IMAGES = 16
BATCH = 8
MEDIUM = 32**2
"""Smallest area of a medium object by COCO's definition, px."""
RESULTS = Path(__file__).parents[1] / "results" / "overfit"


def choose_images(data: DetectionSet, count: int, size: int) -> DetectionSet:
    """The first `count` images that have objects, none of them a crowd or small at `size` px."""
    areas: dict[int, list[float]] = {}
    for annotation in data.ground_truth["annotations"]:
        area = 0.0 if annotation["iscrowd"] else float(annotation["area"])
        areas.setdefault(annotation["image_id"], []).append(area)
    scales = [size / max(shape) for shape in data.sizes]
    suitable = [
        position
        for position, (image, scale) in enumerate(zip(data.image_ids, scales, strict=True))
        if image in areas and min(areas[image]) * scale**2 >= MEDIUM
    ]
    return data.select(suitable[:count])


@dataclass(frozen=True)
class Outcome:
    """The result: scores on the training images, the mean loss of the first and the last epoch, and seconds.

    `seconds` is None if the training was resumed.
    """

    scores: Mapping[str, float]
    first_loss: float
    last_loss: float
    seconds: float | None


def overfit(case: Case, data: DetectionSet, size: int, out: Path, *, device: str = "cpu") -> Outcome:
    """Train and score on `data`; an interrupted training resumes from the checkpoint in `out`."""
    blueprint = Blueprint(case.genotype, case.scale, case.detector, size, data.categories)
    recipe = Recipe(batch_size=min(BATCH, len(data)), learning_rate=case.learning_rate, flip=False, weight_decay=0)
    losses: dict[int, list[float]] = {}

    def watch(progress: Progress) -> None:
        losses.setdefault(progress.epoch, []).append(progress.loss)
        if progress.step == progress.steps and (progress.epoch + 1) % 10 == 0:
            print(f"epoch {progress.epoch + 1} of {progress.epochs}, loss {progress.loss:.3f}", flush=True)

    start = time.perf_counter()
    scores = fit(blueprint, FitConfig(epochs=case.epochs, recipe=recipe), (data, data), out, device=device, watch=watch)
    seconds = time.perf_counter() - start if 0 in losses else None
    means = [sum(of_epoch) / len(of_epoch) for _, of_epoch in sorted(losses.items())] or [float("nan")]
    return Outcome(scores, means[0], means[-1], seconds)


@dataclass(frozen=True)
class Arguments:
    """Overfit a detector to 16 images, and write the result to a file."""

    detector: str
    """Name of the detector's head, such as fcos or mask_rcnn."""
    data: Path = Path(os.environ.get("FUSION_NAS_DATA", "../shared")) / "data" / "coco_mini"
    """A directory in COCO's format."""
    out: Path = Path("runs/overfit")
    """Directory of checkpoints; the same command resumes from them."""
    results: Path = RESULTS
    """Directory of the result files."""
    device: str = "cpu"
    """Device: cpu, cuda or cuda:N."""


def main(asked: Arguments) -> int:
    """The exit status: 0 if every score exceeds its floor, else 1; 2 for an unknown detector."""
    if asked.detector not in CASES:
        print(f"--detector {asked.detector!r} is unknown: give one of {', '.join(CASES)}", file=sys.stderr)
        return 2
    case = CASES[asked.detector]
    data = choose_images(read_directory(asked.data)[0], IMAGES, IMAGE_SIZE)
    outcome = overfit(case, data, IMAGE_SIZE, asked.out / asked.detector, device=asked.device)
    record = _record(asked, case, data, outcome)
    document = json.dumps(record, indent=2) + "\n"
    print(document, end="")
    asked.results.mkdir(parents=True, exist_ok=True)
    (asked.results / f"{asked.detector}.json").write_text(document)
    return 0 if record["passed"] else 1


def _record(asked: Arguments, case: Case, data: DetectionSet, outcome: Outcome) -> dict[str, Any]:
    return {
        "command": f"python -m experiments.overfit --detector {asked.detector}",
        "machine": f"{os.cpu_count()} CPU cores, {torch.get_num_threads()} used" if asked.device == "cpu" else "GPU",
        "torch": torch.__version__,
        "images": list(data.image_ids),
        "objects": data.num_objects,
        "image_size": IMAGE_SIZE,
        "steps": case.epochs * max(1, len(data) // BATCH),
        "seconds": outcome.seconds and round(outcome.seconds),
        "loss": {"first_epoch": round(outcome.first_loss, 4), "last_epoch": round(outcome.last_loss, 4)},
        "floors": dict(case.floors),
        "passed": all(outcome.scores[name] > floor for name, floor in case.floors.items()),
        "scores": {name: round(value, 4) for name, value in outcome.scores.items()},
    }


if __name__ == "__main__":
    sys.exit(main(run(Arguments, __doc__)))
