"""Overhead of a short training over its network: `python -m experiments.bench.proxy_step`.

Times a training step (batch, targets, losses, optimiser) against the network's forward and backward alone, and the
share of scoring in a whole trial, for random members of the joint space at the search's proxy scale.
"""

import random
import statistics
from collections.abc import Iterator

import torch
from torch import Tensor

from experiments.bench.interleaved import Ratio, autocast, clock, interleaved
from experiments.commands.arguments import run
from experiments.run.presets import preset, short_training
from nas.data.open import open_data
from nas.detectors import build_detector
from nas.training.batches import Batch, Batches
from nas.training.device import best_device
from nas.training.evaluation import Evaluator, evaluate
from nas.training.trainer import Trainer
from proxies.short_train import EVALUATOR, ShortTrain
from search_spaces.choose import sample
from search_spaces.joint import JointSpace


def against_network(trainer: Trainer, stream: Iterator[Batch], rounds: int) -> Ratio:
    """The time of whole training steps over that of the network's forward and backward."""
    model = trainer.model
    images = next(stream)[0].contiguous(memory_format=torch.channels_last)

    def network() -> None:
        with autocast(images):
            outputs: dict[str, Tensor] = model.network(images)  # type: ignore[operator]
        total = torch.stack([x.sum() for x in outputs.values()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        model.zero_grad(set_to_none=True)

    return interleaved(lambda: trainer.step(*next(stream)), network, rounds)


def trial(proxy: ShortTrain, trainer: Trainer, stream: Iterator[Batch], device: str) -> dict[str, float]:
    """Run a short training; returns the seconds of training, and of scoring by each evaluator."""
    evaluators: tuple[Evaluator, ...] = (EVALUATOR, "pycocotools")
    spent = dict.fromkeys(("training", *evaluators), 0.0)
    for _ in range(proxy.config.rungs):
        trainer.model.train()
        start = clock()
        for _ in range(proxy.config.steps // proxy.config.rungs):
            trainer.step(*next(stream))
        spent["training"] += clock() - start
        for evaluator in evaluators:
            start = clock()
            evaluate(trainer.model, proxy.val, proxy.val_images, device=device, evaluator=evaluator)
            spent[evaluator] += clock() - start
    return spent


def main(*, genotypes: int = 6, rounds: int = 15, data: str = "digits", device: str = "auto") -> None:
    """Print the ratio of each genotype, their median, and the share of scoring.

    Args:
        genotypes: number of random members.
        rounds: interleaved steps per member.
        data: directory in COCO's format, or "digits".
        device: cpu, cuda, cuda:N, or auto (a GPU if available).
    """
    device = best_device(device)
    search = preset("digits" if data == "digits" else "boxes")
    proxy = ShortTrain.prepare(short_training(data), open_data(data, search.digits))
    config = proxy.config
    ratios: list[float] = []
    spent: dict[str, list[float]] = {"training": [], EVALUATOR: [], "pycocotools": []}
    for seed in range(genotypes):
        genotype = sample(JointSpace(), random.Random(seed)).value
        torch.manual_seed(seed)
        model = build_detector(genotype, config.scale, proxy.train.num_classes, config.detector).to(device)
        trainer = Trainer(model.train(), config.recipe, config.steps + 1 + rounds)
        batches = Batches(proxy.train, proxy.train_images, config.recipe.batch_size)
        stream = batches.forever(seed=seed, flip=config.recipe.flip, device=device)
        ratio = against_network(trainer, stream, rounds)
        ratios.append(ratio.first / ratio.second)
        print(f"genotype {seed}: step over network {ratio}")
        for what, seconds in trial(proxy, trainer, stream, device).items():
            spent[what].append(seconds)
    print(f"step over network, median of {genotypes} genotypes: {statistics.median(ratios):.3f}")
    training, *scorings = ((what, statistics.median(seconds)) for what, seconds in spent.items())
    for evaluator, scoring in scorings:
        share = f"{scoring / (scoring + training[1]):.1%} of a trial"
        print(f"scoring {len(proxy.val)} images {config.rungs} times by {evaluator}: {scoring:.2f} s, {share}")


if __name__ == "__main__":
    run(main, __doc__)
