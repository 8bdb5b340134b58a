"""Zero-cost scores as a proxy: a genotype is scored by its untrained network."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch

from nas.data.cache import ImageCache, letterbox
from nas.data.detection_set import DataError, DetectionSet
from nas.search.types import Direction, Scores
from nas.training.batches import Batches
from proxies.candidate import build_candidate
from proxies.config import ZeroCostConfig
from proxies.zero_cost import ZERO_COST
from proxies.zero_cost.network import open_gates
from search_spaces.errors import FusionNasError
from search_spaces.genotype import Genotype


class Unscorable(FusionNasError):
    """A score is infinite or NaN."""


@dataclass(frozen=True, eq=False)
class ZeroCost:
    """The proxy. Holds its few decoded images."""

    config: ZeroCostConfig
    data: DetectionSet
    images: ImageCache

    @staticmethod
    def prepare(
        config: ZeroCostConfig,
        data: tuple[DetectionSet, DetectionSet],
        progress: Callable[[int, int], None] | None = None,
    ) -> "ZeroCost":
        """Decode images drawn from the training set; `progress` is called with (images decoded, images in total).

        Raises:
            DataError: the training set has too few images.
        """
        train, needed = data[0], config.batch_size * config.batches
        if len(train) < needed:
            raise DataError(
                f"{train.name} has {len(train)} images, {config.batches} batches of {config.batch_size} need {needed}: "
                "give a smaller batch_size"
            )
        chosen = train.draw(needed)
        return ZeroCost(config, chosen, letterbox(chosen, config.image_size, progress=progress))

    @property
    def objectives(self) -> Mapping[str, Direction]:
        return self.config.objectives

    @property
    def steps(self) -> int:
        return 1

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        """Yield once: the configured scores, and gmacs.

        The seed decides weights, noise and batches. A score does not depend on which others are computed.

        Raises:
            GenotypeError: the scale does not suit the genotype or this machine's memory, or the images are too small.
            DataError: the genotype's head predicts masks, but the data has none.
            Unscorable: a score is not finite.
        """
        config = self.config
        detector, cost = build_candidate(genotype, config, self.data.num_classes, seed=seed, device=device)
        open_gates(detector)
        data = Batches(self.data, self.images, config.batch_size, genotype.head.spec.masks)
        batches = list(data.training(seed=seed, epoch=0, flip=False, device=device))
        scores = {}
        for name in config.scores:
            torch.manual_seed(seed)
            scores[name] = ZERO_COST[name](detector, batches)
            if not math.isfinite(scores[name]):
                raise Unscorable(f"{name} is {scores[name]}: leave it out, or give a smaller scale")
        yield {**scores, "gmacs": cost.macs / 1e9}
