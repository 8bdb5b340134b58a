"""Short training: a genotype trained for a few steps at a small scale, scored in COCO AP."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

import torch

from nas.data.cache import Images, open_images
from nas.data.detection_set import DetectionSet
from nas.latency import pass_time
from nas.search.types import Direction, Scores
from nas.seeds import nth_seed
from nas.training.batches import Batches
from nas.training.evaluation import Evaluator, evaluate
from nas.training.trainer import Trainer, require_finite
from proxies.candidate import build_candidate
from proxies.config import ShortTrainConfig
from proxies.cost import cost_scores
from search_spaces.genotype import Genotype

EVALUATOR: Evaluator = "faster-coco-eval"
"""Gives the same AP as pycocotools, several times faster."""


@dataclass(frozen=True, eq=False)
class ShortTrain:
    """The proxy. Holds the decoded images in arrays that the workers of a machine share."""

    config: ShortTrainConfig
    train: DetectionSet
    val: DetectionSet
    train_images: Images
    val_images: Images

    @staticmethod
    def prepare(
        config: ShortTrainConfig,
        data: tuple[DetectionSet, DetectionSet],
        progress: Callable[[int, int], None] | None = None,
        opened: dict[tuple[str, int, int], Images] | None = None,
    ) -> "ShortTrain":
        """Decode the data at the proxy's size; `progress` is called with (images decoded, images in total) per split.

        Args:
            opened: images that other proxies of this data have decoded; those decoded here are added to it.
        """
        train, val = data[0], data[1].draw(config.val_images)
        limit = int(config.cache_gib * 2**30)
        opened = {} if opened is None else opened

        def images(split: DetectionSet) -> Images:
            what = split.name, config.image_size, limit
            if what not in opened:
                opened[what] = open_images(split, config.image_size, limit=limit, progress=progress)
            return opened[what]

        return ShortTrain(config, train, val, images(train), images(val))

    @property
    def objectives(self) -> Mapping[str, Direction]:
        return self.config.objectives

    @property
    def steps(self) -> int:
        return self.config.rungs

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        """Train, and yield at each rung: ap, ap50, gmacs, the mean loss since the previous rung, and mparams.

        With `config.latency` also `latency_ms`: the median time of a forward pass, as `nas.latency` measures it.

        At a given seed every candidate sees the same images in the same order.

        Raises:
            GenotypeError: the scale does not suit the genotype or this machine's memory, or the images are too small.
            Diverged: the loss is not finite.
        """
        runs = [self._train(genotype, nth_seed(seed, number), device) for number in range(self.config.trainings)]
        for scores in zip(*runs, strict=True):
            yield {name: fmean(of[name] for of in scores) for name in scores[0]}

    def _train(self, genotype: Genotype, seed: int, device: str) -> Iterator[Scores]:
        config = self.config
        model, cost = build_candidate(genotype, config, self.train.num_classes, seed=seed, device=device)
        costs = cost_scores(cost)
        timed = {"latency_ms": pass_time(model, image_size=config.image_size, device=device)} if config.latency else {}
        trainer = Trainer(model, config.recipe, config.steps)
        batches = Batches(self.train, self.train_images, config.recipe.batch_size, genotype.head.spec.masks)
        stream = batches.forever(seed=seed, flip=config.recipe.flip, device=device)
        generators = [torch.default_generator, *(torch.cuda.default_generators if device != "cpu" else ())]
        for rung in range(1, config.rungs + 1):
            model.train()
            losses = [trainer.step(*next(stream)) for _ in range(trainer.steps, config.steps * rung // config.rungs)]
            loss = torch.stack(losses).mean()
            require_finite(loss, trainer.steps)
            metrics = evaluate(trainer.scored, self.val, self.val_images, device=device, evaluator=EVALUATOR)
            states = [generator.get_state() for generator in generators]
            yield {
                "ap": metrics["AP"],
                "ap50": metrics["AP50"],
                "gmacs": costs["gmacs"],
                "loss": float(loss),
                "mparams": costs["mparams"],
                **timed,
            }
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)  # other trainings run in between, and heads may sample
