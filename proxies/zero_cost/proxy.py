"""Zero-cost scores as a proxy: a genotype is scored by its untrained network."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import torch
from pydantic import Field, model_validator

from nas.data.cache import ImageCache, letterbox
from nas.data.detection_set import DataError, DetectionSet
from nas.search.types import Direction, Scores
from nas.training.batches import Batches
from proxies.candidate import build_candidate
from proxies.config import DetectorProxyConfig
from proxies.zero_cost import ZERO_COST
from proxies.zero_cost.network import open_gates
from search_spaces.genotype import Genotype
from search_spaces.naming import unknown


class Unscorable(RuntimeError):
    """A score is infinite or NaN."""


class ZeroCostConfig(DetectorProxyConfig):
    """The zero-cost scores to compute, and their batches of training images.

    Attributes:
        scores: names of the scores to compute; the first one ranks candidates.
        batch_size: images per batch.
        batches: number of batches; zico compares their gradients, the other scores use only the first.
    """

    scores: tuple[str, ...] = tuple(ZERO_COST)
    batch_size: int = Field(16, ge=2)
    batches: int = Field(2, ge=2)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.scores:
            raise ValueError(f"scores: none given; give some of {', '.join(ZERO_COST)}")
        for name in self.scores:
            if name not in ZERO_COST:
                raise ValueError(unknown("score", name, ZERO_COST))
        return self

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """The scores that a search optimises by default: the first of `scores`, and multiply-adds."""
        return {self.scores[0]: "max", "gmacs": "min"}

    @property
    def offered(self) -> Mapping[str, Direction]:
        """All scores that a search may optimise."""
        return {**dict.fromkeys(self.scores, "max"), "gmacs": "min"}


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
