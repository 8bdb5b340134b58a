"""The plan of a ranking: the settings to compare, and the measurements that it asks for."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nas.data.cache import Images
from nas.data.detection_set import DetectionSet
from nas.search.search_loop import MOST_REPEATS
from nas.search.types import Proxy
from proxies import registry
from proxies.config import ShortTrainConfig, ZeroCostConfig
from proxies.cost import CostConfig
from proxies.registry import BuiltIn, OwnConfig
from search_spaces.choose import Sampled, SearchSpace, SpaceExhausted, redraw, sample
from search_spaces.genotype import Genotype

Candidates = Sequence[Sampled[Genotype]]
REFERENCE = "reference"
PROXY_SEEDS = 1000
"""Offset of a proxy's seeds from the reference's, so that no two coincide."""
SECONDS = "seconds"
"""Score added by the ranking: the time of an evaluation so far, s. On CPUs processor time, which depends far less on
other load than wall time does, though still by up to a fifth, since cores share caches."""


class _Scored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    seeds: int | None = Field(None, ge=1, le=PROXY_SEEDS)
    """Number of seeds at which each candidate is scored; the ranking's `seeds` by default."""


class Reference(_Scored):
    """The setting whose scores count as the ground truth."""

    short_train: ShortTrainConfig

    @property
    def proxy(self) -> ShortTrainConfig:
        """The settings of what scores candidates."""
        return self.short_train


class Setting(_Scored):
    """A setting to be compared: one of the built-in proxies, or a user's own, with its configuration."""

    short_train: ShortTrainConfig | None = None
    zero_cost: ZeroCostConfig | None = None
    cost: CostConfig | None = None
    own: OwnConfig | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self._given) != 1:
            raise ValueError("give one of short_train, zero_cost, cost and own")
        if self.own and self.own.score == SECONDS:
            raise ValueError(
                f"own.score: {SECONDS!r} is the ranking's name for an evaluation's time: give your score another name"
            )
        return self

    @property
    def proxy(self) -> BuiltIn | OwnConfig:
        """The settings of what scores candidates."""
        return self._given[0]

    @property
    def _given(self) -> list[BuiltIn | OwnConfig]:
        return [config for config in (self.short_train, self.zero_cost, self.cost, self.own) if config]


class Plan(BaseModel):
    """The settings to be compared, by name, and the reference, which counts as the ground truth."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: Reference
    settings: Mapping[str, Setting]

    @field_validator("settings")
    @classmethod
    def _names(cls, settings: Mapping[str, Setting]) -> Mapping[str, Setting]:
        for name in settings:
            if name == REFERENCE or not 1 <= len(name) <= 60 or set("/@|:").intersection(name):
                raise ValueError(
                    f"{name!r} cannot name a setting: give 1 to 60 characters, no / @ | :, not {REFERENCE!r}"
                )
        return settings

    @property
    def all(self) -> Mapping[str, Reference | Setting]:
        """Every setting, the reference first."""
        return {REFERENCE: self.reference, **self.settings}


@dataclass(frozen=True)
class Measurement:
    """One evaluation: a candidate, by its index, in a setting at a seed."""

    candidate: int
    setting: str
    seed: int


def measurements(plan: Plan, candidates: int, *, seeds: int, seed: int) -> Iterator[Measurement]:
    """The measurements of a plan, in order: every candidate in every setting at one seed, then at the next.

    No proxy shares a seed with the reference: a shared initialisation or data order would inflate its tau.
    """
    counts = {name: setting.seeds or seeds for name, setting in plan.all.items()}
    for turn in range(max(counts.values())):
        for candidate in range(candidates):
            for name, count in counts.items():
                if turn < count:
                    yield Measurement(candidate, name, seed + turn + (name != REFERENCE) * PROXY_SEEDS)


def draw_candidates(
    space: SearchSpace[Genotype], count: int, *, seed: int, vary: Sequence[str] = ()
) -> list[Sampled[Genotype]]:
    """Draw random members of a space that have different keys.

    Args:
        vary: words; candidates differ from the first only in decisions with one of these words in their names.

    Raises:
        SpaceExhausted: the space has too few distinct members.
    """
    base = sample(space, random.Random(f"{seed}"))
    found: dict[str, Sampled[Genotype]] = {}
    turn = last = 0
    while len(found) < count:
        rng = random.Random(f"{seed}/{turn}")
        drawn = redraw(space, base.trace, vary, rng) if vary else sample(space, rng)
        if drawn.value.key() not in found:
            found[drawn.value.key()] = drawn
            last = turn
        elif turn - last > MOST_REPEATS:
            raise SpaceExhausted(f"space {space.name!r} yields {len(found)} candidates, not {count}: ask for fewer")
        turn += 1
    return list(found.values())


def prepare(
    plan: Plan, data: tuple[DetectionSet, DetectionSet], progress: Callable[[int, int], None] | None = None
) -> dict[str, Proxy]:
    """Build the proxies, by setting; proxies that use the same images share the decoded arrays.

    Raises:
        DataError: an image cannot be decoded.
        ImportPathError: a user's own proxy cannot be built, or does not have the score it is compared by.
    """
    opened: dict[tuple[str, int, int], Images] = {}
    proxies: dict[str, Proxy] = {}
    for name, setting in plan.all.items():
        match setting.proxy:
            case ShortTrainConfig() as config:
                from proxies.short_train import ShortTrain

                proxies[name] = ShortTrain.prepare(config, data, progress, opened)
            case OwnConfig() as config:
                proxies[name] = config.prepare(data)
            case config:
                proxies[name] = registry.prepare(config, data, progress)
    return proxies


def row_key(candidates: Candidates, measurement: Measurement) -> str:
    """A measurement's key in the store, independent of the other measurements, so that a ranking may grow."""
    return f"{candidates[measurement.candidate].value.key()}/{measurement.setting}/{measurement.seed}"
