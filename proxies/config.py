"""How big a candidate is judged, and how our own proxies are set up."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nas.detectors import DetectorConfig
from nas.search.types import Direction
from nas.training.recipe import Recipe
from proxies.zero_cost import ZERO_COST
from search_spaces.genotype import Scale
from search_spaces.naming import unknown

RECIPE = Recipe(batch_size=8, learning_rate=0.008)
"""Many small, fast steps: they rank candidates better than as many images in fewer steps."""

_SCORES: Mapping[str, Direction] = {"ap": "max", "ap50": "max", "gmacs": "min", "loss": "min", "mparams": "min"}
_OBJECTIVES = ("ap", "gmacs")
_SIGNALS = ("ap", "ap50", "loss")


class ProxyConfig(BaseModel):
    """How big candidates are judged.

    Attributes:
        scale: how big candidates are built.
        image_size: side of the letterboxed images, px.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Scale = Scale(width=0.125, alpha=1.0, output_width=32, head_depth=1)
    image_size: int = Field(96, ge=32)

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """The scores a search optimises; the first one ranks trials."""
        raise NotImplementedError

    @property
    def offered(self) -> Mapping[str, Direction]:
        """All scores that a search may optimise."""
        return self.objectives

    @property
    def signals(self) -> Mapping[str, Direction]:
        """The scores by which a ranking compares candidates, the first objective before all."""
        return dict([next(iter(self.objectives.items()))])


class DetectorProxyConfig(ProxyConfig):
    """How candidates are judged that are built.

    Attributes:
        detector: how they read their outputs, and what else neither genotype nor scale decides.
    """

    detector: DetectorConfig = DetectorConfig()


class ShortTrainConfig(DetectorProxyConfig):
    """What a candidate goes through; what is not given is what rankings found cheap (experiments/results/ranking).

    Attributes:
        steps: optimiser steps of a full evaluation.
        rungs: how often it is scored on the way, at equal distances; a scheduler can stop it at each.
        val_images: how many validation images score it, drawn from the whole set, the same ones for all candidates.
        trainings: from how many seeds it is trained, side by side; its scores are their means. On the joint
            space several short ones tell good candidates apart better than a longer one at the same cost.
        latency: whether it is timed as well, on one image, on the device it trains on. Trials that share the device
            lengthen each other's times, and no two runs take the same.
        cache_gib: memory that a set's decoded images may take; beyond it they are decoded as they are needed.
        recipe: how it is trained.
    """

    steps: int = Field(256, ge=1)
    rungs: int = Field(4, ge=1)
    val_images: int = Field(128, ge=1)
    trainings: int = Field(1, ge=1)
    latency: bool = False
    cache_gib: float = Field(4.0, ge=0)
    recipe: Recipe = RECIPE

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.rungs > self.steps:
            raise ValueError(
                f"{self.steps} steps cannot be scored at {self.rungs} rungs: give more steps or fewer rungs"
            )
        return self

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """The scores a search optimises where it names none; AP ranks trials."""
        return {name: _SCORES[name] for name in _OBJECTIVES}

    @property
    def offered(self) -> Mapping[str, Direction]:
        """All scores that a search may optimise."""
        return {**_SCORES, "latency_ms": "min"} if self.latency else _SCORES

    @property
    def signals(self) -> Mapping[str, Direction]:
        """Beside AP, what shows before AP does: AP50, and the mean training loss (TSE, arXiv 2006.04492, section 3)."""
        return {name: _SCORES[name] for name in _SIGNALS}


class ZeroCostConfig(DetectorProxyConfig):
    """Which scores, and on what.

    Attributes:
        scores: names of what is computed; the first one ranks candidates.
        batch_size: images in a batch.
        batches: how many of them; zico compares their gradients, all other scores look at the first.
    """

    scores: tuple[str, ...] = tuple(ZERO_COST)
    batch_size: int = Field(16, ge=2)
    batches: int = Field(2, ge=2)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.scores:
            raise ValueError(f"scores: there are none; give some of {', '.join(ZERO_COST)}")
        for name in self.scores:
            if name not in ZERO_COST:
                raise ValueError(unknown("score", name, ZERO_COST))
        return self

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """The scores a search optimises: the first one asked for, and multiply-adds."""
        return {self.scores[0]: "max", "gmacs": "min"}

    @property
    def offered(self) -> Mapping[str, Direction]:
        """All scores that a search may optimise."""
        return {**dict.fromkeys(self.scores, "max"), "gmacs": "min"}
