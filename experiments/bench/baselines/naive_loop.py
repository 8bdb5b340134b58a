"""A plain search loop, as in the tutorials of Ray Tune and torchvision: the baseline of `naive_search`.

Only the backbone is ours; everything else comes from libraries: JPEG files through a `DataLoader`, torchvision's
transforms, FCOS and losses, a Tune function trainable, pycocotools.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader

from nas.data.detection_set import DetectionSet
from nas.decode import decode
from nas.training.recipe import Recipe
from proxies.config import ShortTrainConfig
from search_spaces.genotype import Genotype

QUALITY = 95
METRICS = ("ap", "loading", "training", "scoring")
"""COCO AP, and the time of each part, s."""


def export(data: DetectionSet, folder: Path) -> None:
    """Write a set as JPEG files and a COCO document next to them."""
    folder.mkdir(parents=True)
    for position, image_id in enumerate(data.image_ids):
        Image.fromarray(data.load(position)).save(folder / f"{image_id}.jpg", quality=QUALITY)
    images = [{**image, "file_name": f"{image['id']}.jpg"} for image in data.ground_truth["images"]]
    (folder / "instances.json").write_text(json.dumps({**data.ground_truth, "images": images}))


def run(
    genotypes: Sequence[Genotype],
    train: Path,
    val: Path,
    config: ShortTrainConfig,
    num_classes: int,
    *,
    gpus: float = 0,
) -> list[dict[str, float]]:
    """`METRICS` of each genotype after `config.steps` steps, by a Tune function trainable on `gpus` GPUs per trial."""
    import ray
    from ray import tune

    searched = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1, "gpu": gpus}),
        param_space={
            "genotype": tune.grid_search([genotype.to_json() for genotype in genotypes]),
            "train": str(train),
            "val": str(val),
            "config": config.model_dump_json(),
            "num_classes": num_classes,
        },
    ).fit()
    ray.shutdown()  # our runner starts its own Ray
    results = [searched[i] for i in range(len(searched))]
    found = {
        r.config["genotype"]: {name: r.metrics[name] for name in METRICS} for r in results if r.config and r.metrics
    }
    return [found[genotype.to_json()] for genotype in genotypes]


def trainable(settings: Mapping[str, Any]) -> None:
    """One trial: train, score, report."""
    from ray import tune
    from torch.optim import AdamW
    from torch.optim.lr_scheduler import OneCycleLR
    from torchvision.models.detection import FCOS

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    torch.manual_seed(0)
    config = ShortTrainConfig.model_validate_json(settings["config"])
    recipe: Recipe = config.recipe
    device = "cuda" if torch.cuda.is_available() else "cpu"
    backbone = decode(Genotype.from_json(settings["genotype"]), config.scale)
    model = FCOS(
        backbone,
        settings["num_classes"] + 1,
        min_size=config.image_size,
        max_size=config.image_size,
        score_thresh=config.detector.score_threshold,
    ).to(device)
    optimizer = AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = OneCycleLR(optimizer, recipe.learning_rate, total_steps=config.steps + 1, pct_start=recipe.warmup)
    loader = _loader(Path(settings["train"]), recipe.batch_size, shuffle=True)
    step = 0
    loading = training = 0.0
    model.train()
    start = time.perf_counter()
    while step < config.steps:
        for images, targets in loader:
            loaded = time.perf_counter()
            loading += loaded - start
            boxes = [{name: target[name].to(device) for name in ("boxes", "labels")} for target in targets]
            losses = model([image.to(device) for image in images], boxes)
            loss = sum(losses.values())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.step()
            schedule.step()
            step += 1
            start = time.perf_counter()
            training += start - loaded
            if step == config.steps:
                break
    ap = _score(model, Path(settings["val"]), recipe.batch_size)
    tune.report({"ap": ap, "loading": loading, "training": training, "scoring": time.perf_counter() - start})


def _loader(folder: Path, batch_size: int, *, shuffle: bool) -> DataLoader[Any]:
    from torchvision.datasets import CocoDetection, wrap_dataset_for_transforms_v2
    from torchvision.transforms.v2 import Compose, ToDtype, ToImage

    transforms = Compose([ToImage(), ToDtype(torch.float32, scale=True)])
    data = CocoDetection(str(folder), str(folder / "instances.json"), transforms=transforms)
    wrapped = wrap_dataset_for_transforms_v2(data, target_keys=("image_id", "boxes", "labels"))
    return DataLoader(wrapped, batch_size, shuffle=shuffle, drop_last=shuffle, collate_fn=_collate)


def _collate(items: Sequence[tuple[torch.Tensor, dict[str, Any]]]) -> tuple[list[torch.Tensor], list[dict[str, Any]]]:
    images, targets = zip(*items, strict=True)
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    return list(images), [{**empty, **target} for target in targets]


@torch.inference_mode()
def _score(model: torch.nn.Module, folder: Path, batch_size: int) -> float:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    model.eval()
    device = next(model.parameters()).device
    found = []
    for images, targets in _loader(folder, batch_size, shuffle=False):
        for target, detected in zip(targets, model([image.to(device) for image in images]), strict=True):
            boxes = detected["boxes"].clone()
            boxes[:, 2:] -= boxes[:, :2]
            rows = zip(boxes.tolist(), detected["scores"].tolist(), detected["labels"].tolist(), strict=True)
            found += [
                {"image_id": target["image_id"], "bbox": box, "score": score, "category_id": label}
                for box, score, label in rows
            ]
    if not found:
        return 0.0
    truth = COCO(str(folder / "instances.json"))
    evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])
