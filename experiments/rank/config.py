"""The configuration of a ranking: everything needed to repeat it."""

import random
from typing import Self

from pydantic import Field, field_validator, model_validator

from experiments.run.config import RunConfig, split_words
from proxies.ranking.plan import PROXY_SEEDS, Measurement, Plan, draw_candidates, measurements
from search_spaces.choose import Sampled, sample
from search_spaces.genotype import Genotype
from search_spaces.naming import unknown
from search_spaces.registry import find_space


class RankOptions(RunConfig):
    """The options of a ranking: candidates, seeds and the required tau; the plan is in `RankConfig`."""

    candidates: int = Field(30, ge=2)
    """Number of random candidates to score."""
    seeds: int = Field(3, ge=1, le=PROXY_SEEDS)
    """Number of seeds at which each setting scores each candidate, unless the plan gives another."""
    vary: tuple[str, ...] = ()
    """Vary only the decisions with one of these words in their names, such as fuse,msfm,dsa; by default all."""
    require_tau: float = Field(0.85, ge=-1, le=1)
    """Kendall's tau that a proxy must reach to be recommended as the cheapest."""

    @field_validator("vary")
    @classmethod
    def _split(cls, vary: tuple[str, ...]) -> tuple[str, ...]:
        return split_words(vary)

    @model_validator(mode="after")
    def _varies(self) -> Self:
        if not self.vary:
            return self
        drawn = (sample(find_space(self.space), random.Random(i)).trace for i in range(20))
        known = {word for trace in drawn for name in trace for word in name.split(".")}
        for word in self.vary:
            if word not in known:
                raise ValueError(f"vary: space {self.space!r} has {unknown('decision', word, sorted(known))}")
        return self


class RankConfig(RankOptions):
    """The configuration of a ranking: its plan, its candidates and its resources."""

    file = "ranking.json"
    what = "ranking"
    resume_command = "nas rank"

    plan: Plan

    def drawn(self) -> list[Sampled[Genotype]]:
        """The candidates; every call returns the same ones.

        Raises:
            SpaceExhausted: the space has too few distinct members.
        """
        return draw_candidates(find_space(self.space), self.candidates, seed=self.seed, vary=self.vary)

    def queue(self) -> list[Measurement]:
        """All measurements, in order."""
        return list(measurements(self.plan, self.candidates, seeds=self.seeds, seed=self.seed))
