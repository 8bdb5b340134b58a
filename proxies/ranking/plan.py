"""The plan of a ranking: the settings to compare, and the measurements that it asks for."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nas.data.checks.images import ProgressCallback
from nas.search.search_loop import MOST_REPEATS
from nas.search.types import Proxy
from proxies.config import Data, Decoded, ShortTrainConfig
from proxies.registry import PROXIES, AnyProxy
from search_spaces.choose import Sampled, SearchSpace, SpaceExhausted, redraw, sample
from search_spaces.genotype import Genotype

Candidates = Sequence[Sampled[Genotype]]
REFERENCE = "reference"
KINDS = (*PROXIES, "own")
PROXY_SEEDS = 1000
"""Offset of a proxy's seeds from the reference's, so that no two coincide."""
SECONDS = "seconds"
"""Score added by the ranking: the time of an evaluation so far, s. On CPUs processor time, which depends far less on
other load than wall time does, though still by up to a fifth, since cores share caches."""


def proxy_by_kind(setting: dict[str, Any]) -> dict[str, Any]:
    """A setting in the form of plan files, {"zero_cost": {...}}, as {"proxy": {"kind": "zero_cost", ...}}."""
    given = [name for name in setting if name in KINDS and setting[name] is not None]
    if len(given) != 1:
        return setting
    proxy = setting[given[0]]
    rest = {name: value for name, value in setting.items() if name not in KINDS}
    return {**rest, "proxy": {"kind": given[0], **proxy} if isinstance(proxy, dict) else proxy}


class _Scored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    seeds: int | None = Field(None, ge=1, le=PROXY_SEEDS)
    """Number of seeds at which each candidate is scored; the ranking's `seeds` by default."""

    @model_validator(mode="before")
    @classmethod
    def _by_kind(cls, setting: Any) -> Any:
        if isinstance(setting, dict) and "proxy" not in (setting := proxy_by_kind(setting)):
            raise ValueError(f"give one of {', '.join(KINDS[:-1])} and {KINDS[-1]}")
        return setting


class Reference(_Scored):
    """The setting whose scores count as the ground truth."""

    proxy: ShortTrainConfig


class Setting(_Scored):
    """A setting to be compared: a built-in proxy or a user's own, with its configuration."""

    proxy: AnyProxy

    @model_validator(mode="after")
    def _compared(self) -> Self:
        objectives = self.proxy.objectives
        if not objectives:
            raise ValueError("own.score: give the objective that candidates are compared by")
        if SECONDS in objectives:
            raise ValueError(
                f"own.score: {SECONDS!r} is the ranking's name for an evaluation's time: give your score another name"
            )
        return self


class Plan(BaseModel):
    """The settings to be compared, by name, and the reference, which counts as the ground truth."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: Reference
    settings: Mapping[str, Setting]

    @field_validator("settings")
    @classmethod
    def _names(cls, settings: Mapping[str, Setting]) -> Mapping[str, Setting]:
        if not settings:
            raise ValueError("no setting to compare with the reference: give at least one")
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
                    first = seed if name == REFERENCE else seed + PROXY_SEEDS
                    yield Measurement(candidate, name, first + turn)


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


def build_proxies(plan: Plan, data: Data, progress: ProgressCallback | None = None) -> dict[str, Proxy]:
    """Build the proxies, by setting; proxies that use the same images share the decoded arrays.

    Raises:
        DataError: an image cannot be decoded.
        ImportPathError: a user's own proxy cannot be built, or does not have the score it is compared by.
    """
    decoded: Decoded = {}
    return {name: setting.proxy.prepare(data, progress, decoded) for name, setting in plan.all.items()}


def row_key(candidates: Candidates, measurement: Measurement) -> str:
    """A measurement's key in the store, independent of the other measurements, so that a ranking may grow."""
    return f"{candidates[measurement.candidate].value.key()}/{measurement.setting}/{measurement.seed}"
