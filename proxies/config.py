"""Settings of proxies: those that all share, and those of the proxies whose modules import torch.

Settings build their proxy with `prepare`, which imports its module.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nas.data.cache import Images
from nas.data.checks.images import ProgressCallback
from nas.data.detection_set import DetectionSet
from nas.detectors import DetectorConfig
from nas.search.types import Direction, Proxy
from nas.training.recipe import Recipe
from proxies.zero_cost import ZERO_COST
from search_spaces.genotype import Scale
from search_spaces.naming import unknown

RECIPE = Recipe(batch_size=8, learning_rate=0.008)
"""Small batches at a high learning rate: they rank candidates better than the same images in fewer steps."""

_SCORES: Mapping[str, Direction] = {"ap": "max", "ap50": "max", "gmacs": "min", "loss": "min", "mparams": "min"}
_OBJECTIVES = ("ap", "gmacs")
_SIGNALS = ("ap", "ap50", "loss")


Data = tuple[DetectionSet, DetectionSet]
"""Training and validation set."""
Decoded = dict[tuple[str, int, int], Images]
"""Decoded images by set, size and memory limit, shared by the proxies that use the same."""


class ProxyConfig(BaseModel):
    """The proxy, and the size at which it scores candidates.

    Attributes:
        kind: name of the proxy; a subclass has one.
        scale: width, depth and output width at which a candidate is decoded.
        image_size: side of the letterboxed images, px.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    quick: ClassVar[bool] = False
    """Whether the proxy scores many candidates per second: by default it runs in a process pool."""
    decodes: ClassVar[bool] = True
    """Whether the proxy decodes candidates at this scale, so that the scale has to suit the space."""

    kind: str
    scale: Scale = Scale(width=0.125, alpha=1.0, output_width=32, head_depth=1)
    image_size: int = Field(96, ge=32)

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """The scores that a search optimises by default; the first one ranks trials."""
        raise NotImplementedError

    @property
    def offered(self) -> Mapping[str, Direction]:
        """All scores that a search may optimise."""
        return self.objectives

    @property
    def signals(self) -> Mapping[str, Direction]:
        """The scores by which `nas rank` compares candidates; the first objective comes first."""
        return dict([next(iter(self.objectives.items()))])

    @property
    def optional(self) -> Mapping[str, str]:
        """Scores that these settings leave out, and the flag that adds each."""
        return {}

    @classmethod
    def in_search(cls, size: "ProxyConfig") -> Self:
        """The default settings in a search, at the scale and image size of another proxy."""
        return cls.model_validate({"scale": size.scale, "image_size": size.image_size})

    def prepare(self, data: Data, progress: ProgressCallback | None = None, decoded: Decoded | None = None) -> Proxy:
        """Build the proxy, with the data that it uses decoded.

        Args:
            decoded: images that other proxies of this data have decoded; those decoded here are added to it.

        Raises:
            DataError: an image cannot be decoded, or there are too few images.
            ImportPathError: a user's own proxy cannot be built, or does not have the score it is compared by.
        """
        raise NotImplementedError

    def notes(self, val: DetectionSet) -> Iterator[str]:
        """What a user should know about scoring candidates on this validation set."""
        return iter(())


class DetectorProxyConfig(ProxyConfig):
    """The size and the detector settings of a proxy that builds candidates.

    Attributes:
        detector: the detector's settings that neither genotype nor scale decides, such as its NMS threshold.
    """

    detector: DetectorConfig = DetectorConfig()


class ShortTrainConfig(DetectorProxyConfig):
    """The length and size of a short training; the defaults were chosen by rankings (experiments/results/ranking).

    Attributes:
        steps: optimiser steps of a full training.
        rungs: how many times a training is scored, at equal intervals; a scheduler can stop it after each.
        val_images: number of validation images, drawn at random once; all candidates are scored on the same ones.
        trainings: number of trainings per candidate, each at its own seed; its scores are their means. In the joint
            space several short trainings rank good candidates better than one longer training of the same cost.
        latency: measure the latency of one image as well, in ms, on the training device. It varies from run to run,
            and trials that share the device slow each other down.
        cache_gib: memory for a set's decoded images, in GiB; a larger set is decoded batch by batch instead.
        recipe: optimiser and schedule of the training.
    """

    kind: Literal["short_train"] = "short_train"
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
        """The scores that a search optimises by default; AP ranks trials."""
        return {name: _SCORES[name] for name in _OBJECTIVES}

    @property
    def offered(self) -> Mapping[str, Direction]:
        """All scores that a search may optimise."""
        return {**_SCORES, "latency_ms": "min"} if self.latency else _SCORES

    @property
    def signals(self) -> Mapping[str, Direction]:
        """AP, and two earlier signals: AP50 and the mean training loss (TSE, arXiv 2006.04492, section 3)."""
        return {name: _SCORES[name] for name in _SIGNALS}

    @property
    def optional(self) -> Mapping[str, str]:
        return {} if self.latency else {"latency_ms": "--proxy.latency"}

    def prepare(self, data: Data, progress: ProgressCallback | None = None, decoded: Decoded | None = None) -> Proxy:
        from proxies.short_train import ShortTrain

        return ShortTrain.prepare(self, data, progress, decoded)

    def notes(self, val: DetectionSet) -> Iterator[str]:
        if self.val_images < len(val) and not val.shuffled:
            yield (
                f"every candidate is scored on the same {self.val_images} of its {len(val)} images, drawn at random; "
                f"--proxy.val-images {len(val)} uses all"
            )


class ZeroCostConfig(DetectorProxyConfig):
    """The zero-cost scores to compute, and their batches of training images.

    Attributes:
        scores: names of the scores to compute; the first one ranks candidates.
        batch_size: images per batch.
        batches: number of batches; zico compares their gradients, the other scores use only the first.
    """

    quick = True

    kind: Literal["zero_cost"] = "zero_cost"
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

    @classmethod
    def in_search(cls, size: ProxyConfig) -> Self:
        """A single score, as a search optimises the first only."""
        return super().in_search(size).model_copy(update={"scores": ("naswot",)})

    def prepare(self, data: Data, progress: ProgressCallback | None = None, decoded: Decoded | None = None) -> Proxy:
        from proxies.zero_cost.proxy import ZeroCost

        return ZeroCost.prepare(self, data, progress)
