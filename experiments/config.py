"""The configuration of a run: everything that replays it."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nas.data.digits import DigitsConfig
from nas.search.scheduler import AshaConfig
from nas.search.strategies import StrategyConfig
from proxies.cost import CostConfig
from proxies.ranking import Measurement, Plan, draw_candidates, measurements
from proxies.registry import PROXIES, QUICK, BuiltIn
from proxies.short_train import ShortTrainConfig
from proxies.zero_cost.proxy import ZeroCostConfig
from search_spaces.choose import Sampled, sample
from search_spaces.genotype import Genotype
from search_spaces.importing import imported, is_import_path
from search_spaces.naming import unknown
from search_spaces.registry import find_space

RunnerName = Literal["ray", "pool", "local"]


class RunConfig(BaseModel):
    """What is built, on what data, and where candidates are evaluated."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    file: ClassVar[str]
    """What it is called in the run's directory."""
    goes_on: ClassVar[str]
    """The command that goes on with an interrupted run."""

    data: str = "digits"
    """A directory in COCO's format, or "digits"."""
    space: str = "joint"
    """What may be built: joint, spinenet, asff, msfm, dsa, fpn, nas-fpn, one of SpineNet's partly permuted ones, or
    your own, my_module:MySpace."""
    seed: int = Field(0, ge=0)
    """Of candidates, weights and the order of data."""
    out: Path | None = Field(None, exclude=True)
    """The run's directory; a new one under runs/ if not given."""
    runner: RunnerName | None = None
    """ray: several trials at once, stopped early where hopeless; pool: processes of one thread each, for proxies of
    which many pass in a second; local: one after the other, in this process. If not given, ray, or pool for a search
    by zero_cost or cost."""
    ray_address: str | None = None
    """A running cluster ("auto" or host:port); without it Ray is started on this machine."""
    cpus_per_trial: float = Field(1.0, gt=0)
    """CPU cores a trial reserves."""
    gpus_per_trial: float | None = Field(None, ge=0)
    """GPUs a trial reserves, or a fraction of one; 0 trains on CPUs. If not given, 1 where this machine has a GPU; the
    pool reserves nothing, and stays on CPUs unless it is given more than 0."""
    concurrent: int | None = Field(None, ge=1)
    """Trials at once; as many as there is room for if not given."""
    time_limit: float | None = Field(1800.0, gt=0)
    """Seconds a trial may take."""
    digits: DigitsConfig = DigitsConfig()

    @field_validator("space")
    @classmethod
    def _known(cls, space: str) -> str:
        find_space(space)
        return space

    @property
    def runs_on(self) -> RunnerName:
        """The runner: as given, else the one that suits."""
        return self.runner or "ray"


class SearchConfig(RunConfig):
    """What is searched, on what data, how, and where."""

    file = "config.json"
    goes_on = "nas resume"

    trials: int = Field(24, ge=1)
    """How many candidates to evaluate."""
    early_stopping: bool = True
    """Whether asynchronous successive halving stops hopeless trials (ray only)."""
    asha: AshaConfig = AshaConfig()
    strategy: StrategyConfig = StrategyConfig()
    by: str = "short_train"
    """What judges candidates: short_train, set up by --proxy; zero_cost; cost; or your own, my_module:my_proxy, which
    is called with the training and the validation set."""
    proxy: ShortTrainConfig = ShortTrainConfig()
    zero_cost: ZeroCostConfig = ZeroCostConfig(scores=("naswot",))
    cost: CostConfig = CostConfig()

    @field_validator("by")
    @classmethod
    def _judges(cls, by: str) -> str:
        if is_import_path(by):
            imported(by)
        elif by not in PROXIES:
            raise ValueError(unknown("proxy", by, PROXIES))
        return by

    @property
    def built_in(self) -> BuiltIn | None:
        """The settings of what judges candidates; None for a proxy of the user's own."""
        known: Mapping[str, BuiltIn] = {"short_train": self.proxy, "zero_cost": self.zero_cost, "cost": self.cost}
        return known.get(self.by)

    @property
    def size(self) -> BuiltIn:
        """How big candidates are judged; a proxy of the user's own is taken to be as big as a short training."""
        return self.built_in or self.proxy

    @property
    def runs_on(self) -> RunnerName:
        return self.runner or ("pool" if self.by in QUICK else "ray")


class RankOptions(RunConfig):
    """How a ranking measures its candidates, but for what it compares."""

    candidates: int = Field(30, ge=2)
    """How many random candidates are scored."""
    seeds: int = Field(3, ge=1)
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
