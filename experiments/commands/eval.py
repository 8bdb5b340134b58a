"""`nas eval CHECKPOINT`: evaluate a trained detector in COCO AP."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import Positional

from experiments.commands.arguments import parse
from experiments.errors import UsageError
from experiments.run.data import report
from nas.data.cache import open_images
from nas.data.depth import scaled_from
from nas.data.digits.scenes import DigitsConfig
from nas.data.open import open_val
from nas.inspect.console import open_console
from nas.training.device import best_device

CACHE_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Arguments:
    """Evaluate a trained detector on a validation set."""

    checkpoint: Positional[Path]
    """Checkpoint of `nas train` or `nas import-tf`; includes scale, classes and head."""
    data: str
    """Directory in COCO's format, or "digits"; its categories must be among those of the checkpoint."""
    device: str = "auto"
    """Device: cpu, cuda, cuda:N, or auto (a GPU if available)."""
    json: bool = False
    """Print the 12 COCO metrics as one JSON document instead of text."""
    digits: DigitsConfig = field(default_factory=DigitsConfig)


def main(arguments: Sequence[str]) -> int:
    asked = parse(Arguments, "eval", arguments)
    if str(asked.checkpoint).startswith("zoo:"):
        raise UsageError(
            f"{asked.checkpoint} is a topology without weights: `nas train {asked.checkpoint}` makes a checkpoint"
        )
    from nas.training.checkpoint import Checkpoint
    from nas.training.evaluation import evaluate

    checkpoint = Checkpoint.load(asked.checkpoint)
    blueprint = checkpoint.blueprint
    val = open_val(asked.data, asked.digits).under(blueprint.categories)
    if blueprint.values:
        val = scaled_from(val, blueprint.values)
    aside = open_console(stderr=True)
    report([val], aside)
    if not checkpoint.epoch:
        aside.print(f"{asked.checkpoint}: its head is untrained: train it with `nas train --backbone-weights`")
    device = best_device(asked.device)
    images = open_images(val, blueprint.image_size, limit=CACHE_BYTES)
    metrics = evaluate(checkpoint.restore().to(device), val, images, device=device)
    if asked.json:
        print(json.dumps(metrics))
        return 0
    console = open_console()
    for metric, value in metrics.items():
        console.print(f"{metric:6} {value:.4f}")
    return 0
