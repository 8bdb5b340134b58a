"""The configuration of a ranking: everything that replays it."""

import random
from typing import Self

from pydantic import Field, field_validator, model_validator

from experiments.run.config import RunConfig
from proxies.ranking.loop import PROXY_SEEDS, Measurement, Plan, draw_candidates, measurements
from search_spaces.choose import Sampled, sample
from search_spaces.genotype import Genotype
from search_spaces.naming import unknown
from search_spaces.registry import find_space


class RankOptions(RunConfig):
    """How a ranking measures its candidates, but for what it compares."""

    candidates: int = Field(30, ge=2)
    """How many random candidates are scored."""
    seeds: int = Field(3, ge=1, le=PROXY_SEEDS)
    """How often each setting scores a candidate, where the plan does not say it."""
    vary: tuple[str, ...] = ()
    """Words such as fuse,msfm,dsa: candidates differ only in decisions with one of them in their names."""
    require_tau: float = Field(0.85, ge=-1, le=1)
    """Kendall's tau that the cheapest proxy must reach."""

    @field_validator("vary")
    @classmethod
    def _split(cls, vary: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word for words in vary for word in words.split(",") if word)

    @model_validator(mode="after")
    def _varies(self) -> Self:
        drawn = (sample(find_space(self.space), random.Random(i)).trace for i in range(20 * bool(self.vary)))
        known = {word for trace in drawn for name in trace for word in name.split(".")}
        for word in self.vary:
            if word not in known:
                raise ValueError(f"vary: space {self.space!r} has {unknown('decision', word, sorted(known))}")
        return self


class RankConfig(RankOptions):
    """What a ranking compares, on which candidates, and where."""

    file = "ranking.json"
    goes_on = "nas rank"

    plan: Plan

    def drawn(self) -> list[Sampled[Genotype]]:
        """The candidates, the same ones at every call.

        Raises:
            SpaceExhausted: the space does not have as many.
        """
        return draw_candidates(find_space(self.space), self.candidates, seed=self.seed, vary=self.vary)

    def queue(self) -> list[Measurement]:
        """All that is to be measured, in order."""
        return list(measurements(self.plan, self.candidates, seeds=self.seeds, seed=self.seed))
