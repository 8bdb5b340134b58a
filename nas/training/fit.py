"""Full training of a genotype: epochs, checkpoints, resumption, and the 12 COCO metrics at the end."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from nas.data.cache import open_images
from nas.data.depth import scaled_from
from nas.data.detection_set import DetectionSet
from nas.data.fingerprint import digest, fingerprints
from nas.ops.block.dropblock import set_epoch
from nas.seeds import nth_seed
from nas.training.blueprint import Blueprint
from nas.training.checkpoint import Checkpoint
from nas.training.evaluation import evaluate
from nas.training.loading import batches_of, open_loader, worker_deaths_named
from nas.training.pretrained import backbone_of, load_backbone, read_weights, taking_over
from nas.training.recipe import FitConfig
from nas.training.resume import resume
from nas.training.trainer import CHECK_EVERY, Trainer, require_finite

LAST = "last.pt"
METRICS = "metrics.json"


@dataclass(frozen=True)
class Progress:
    """Progress of a training; `loss` is the last step's, or on a GPU that of one of the last `CHECK_EVERY` steps."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float


def fit(
    blueprint: Blueprint,
    config: FitConfig,
    data: tuple[DetectionSet, DetectionSet],
    out: Path,
    *,
    device: str,
    watch: Callable[[Progress], None],
    say: Callable[[str], None] = lambda sentence: None,
    fingerprints: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, float]:
    """Train, writing `last.pt` after every epoch and `metrics.json` at the end; resume an earlier call's training.

    A resumed training may have more epochs: it follows the longer schedule from there on.

    Args:
        blueprint: the detector to build.
        config: how to train it; to resume, all but `epochs`, `cache_gib` and `workers` must be the same as before.
        data: training and validation set; to resume, the training set must be the same, in any folder.
        out: directory for the checkpoint and the metrics.
        device: the training's device.
        watch: called after every step.
        say: called with a sentence if a training resumes, or is complete.
        fingerprints: those of the sets "train" and "val", if known; taking them reads the images.

    Returns:
        The 12 COCO metrics on the validation set, and 12 for masks if head and data have them.

    Raises:
        DataError: the head needs masks and the training set has none; a category is not the blueprint's; or an image
            does not decode.
        CheckpointError: `out` holds a different training, the message names the differences; or the backbone's
            weights are damaged.
        Diverged: the loss is no longer finite; the last checkpoint stays.
        LoadingError: a process that loads images has died.
        WeightsError: the backbone's weights cannot be read or do not fit.
    """
    inputs = _inputs(config, data, fingerprints)
    found = Checkpoint.load(out / LAST) if (out / LAST).exists() else None
    if found:  # images of more than 8 bits stay scaled as they were
        blueprint = replace(blueprint, values=found.blueprint.values)
    train, val = (_prepared(part, blueprint) for part in data)
    limit = int(config.cache_gib * 2**30)
    loader = open_loader(
        train,
        blueprint.image_size,
        config.recipe,
        seed=config.seed,
        masks=blueprint.genotype.head.spec.masks,
        cache_bytes=limit,
        workers=config.workers,
        device=device,
    )
    weights = read_weights(config.backbone_weights) if config.backbone_weights else None
    if isinstance(weights, Checkpoint):
        blueprint = taking_over(blueprint, weights)
    torch.manual_seed(config.seed)
    model = blueprint.build()
    if weights is not None and not found:
        load_backbone(backbone_of(model), weights)
    model.to(device)
    trainer = Trainer(model, config.recipe, config.epochs * len(loader))
    out.mkdir(parents=True, exist_ok=True)
    wanted = Checkpoint(blueprint, config.model_dump_json(), config.epochs, {}, inputs)
    first = resume(out / LAST, found, wanted, trainer, say) if found else 0
    with worker_deaths_named():
        for epoch in range(first, config.epochs):
            _train_epoch(trainer, loader, epoch, config, device, watch)
            replace(wanted, epoch=epoch + 1, state=trainer.state_dict()).save(out / LAST)
    del loader  # its workers and cache
    metrics = evaluate(trainer.scored, val, open_images(val, blueprint.image_size, limit=limit), device=device)
    (out / METRICS).write_text(json.dumps(metrics, indent=2) + "\n")
    return metrics


def _train_epoch(
    trainer: Trainer,
    loader: DataLoader[Any],
    epoch: int,
    config: FitConfig,
    device: str,
    watch: Callable[[Progress], None],
) -> None:
    """One epoch. Its random numbers depend on the seed and the epoch, so that it is the same after a resumption."""
    torch.manual_seed(nth_seed(config.seed, epoch + 1))
    trainer.model.train()
    set_epoch(trainer.model, epoch)
    shown = 0.0
    for step, (images, targets) in enumerate(batches_of(loader, epoch, device), 1):
        loss = trainer.step(images, targets)
        # reading a loss waits for the GPU
        if not loss.is_cuda or step % CHECK_EVERY == 1 or step == len(loader):
            shown = require_finite(loss, trainer.steps)
        watch(Progress(epoch, config.epochs, step, len(loader), shown))


def _prepared(data: DetectionSet, blueprint: Blueprint) -> DetectionSet:
    """A set with the blueprint's categories and range of values."""
    data = data.under(blueprint.categories)
    return scaled_from(data, blueprint.values) if blueprint.values else data


def _inputs(
    config: FitConfig, data: tuple[DetectionSet, DetectionSet], known: Mapping[str, Mapping[str, str]] | None
) -> dict[str, Any]:
    """Fingerprints of a training's inputs."""
    weights = config.backbone_weights
    return {
        **(known or fingerprints(data)),
        "backbone_weights": digest([weights.read_bytes()]) if weights and weights.is_file() else "",
    }
