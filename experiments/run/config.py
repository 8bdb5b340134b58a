"""The configuration of a run: everything that replays it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nas.data.digits.scenes import DigitsConfig
from nas.data.fetch import is_url
from nas.search.halving.scheduler import SchedulerConfig
from nas.search.store.database import in_memory, parse_url
from nas.search.strategies import StrategyConfig
from nas.search.types import Direction
from proxies.budget import Limits
from proxies.config import ShortTrainConfig, ZeroCostConfig
from proxies.cost import CostConfig
from proxies.registry import QUICK, BuiltIn
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
    """A directory in COCO's format, the URL of a zip or tar of one, or "digits"."""
    space: str = "joint"
    """What may be built: joint, spinenet, asff, msfm, dsa, fpn, nas-fpn, one of SpineNet's partly permuted ones, or
    your own, my_module:MySpace."""
    seed: int = Field(0, ge=0)
    """Of candidates, weights and the order of data."""
    out: Path | None = Field(None, exclude=True)
    """The run's directory; a new one under runs/ if not given."""
    runner: RunnerName | None = None
    """ray: several trials at once; pool: processes of one thread each, for proxies of which many pass in a second;
    local: one after the other, in this process. If not given, ray, or pool for a search by zero_cost or cost that
    has no ray_address."""
    ray_address: str | None = None
    """A running cluster ("auto" or host:port); without it Ray is started on this machine."""
    cpus_per_trial: float = Field(1.0, gt=0)
    """CPU cores a trial reserves."""
    gpus_per_trial: float | None = Field(None, ge=0)
    """GPUs a trial reserves, a whole number or a fraction of one; 0 trains on CPUs. If not given, 1 where this machine
    has a GPU; the pool reserves nothing, and stays on CPUs unless it is given more than 0."""
    concurrent: int | None = Field(None, ge=1)
    """Trials at once; as many as there is room for if not given."""
    time_limit: float | None = Field(1800.0, gt=0)
    """Seconds a trial may take."""
    digits: DigitsConfig = DigitsConfig()

    @property
    def team(self) -> tuple[str, str] | None:
        """URL and study of a store that other runs may share; None for the run's own."""
        return None

    def anywhere(self) -> Self:
        """The same with absolute paths: a run can be resumed from anywhere."""
        if self.data == "digits" or is_url(self.data):
            return self
        return self.model_copy(update={"data": str(Path(self.data).expanduser().resolve())})

    @field_validator("gpus_per_trial")
    @classmethod
    def _whole(cls, gpus: float | None) -> float | None:
        if gpus and gpus > 1 and gpus != int(gpus):
            raise ValueError(f"a trial cannot reserve {gpus:g} GPUs: give a whole number, or a fraction of one")
        return gpus

    @field_validator("space")
    @classmethod
    def _known(cls, space: str) -> str:
        find_space(space)
        return space

    @model_validator(mode="after")
    def _reached(self) -> Self:
        if self.ray_address and self.runs_on != "ray":
            raise ValueError(
                f"ray_address: the runner {self.runs_on} reaches no cluster: leave {self.ray_address!r} out, or give "
                "runner ray"
            )
        if self.concurrent and self.concurrent > 1 and self.runs_on == "local":
            raise ValueError(
                f"concurrent: the runner local has one trial at a time, not {self.concurrent}; give another"
            )
        return self

    @property
    def runs_on(self) -> RunnerName:
        """The runner: as given, else the one that suits."""
        return self.runner or "ray"


SETTINGS = {"short_train": "proxy", "zero_cost": "zero_cost", "cost": "cost"}
"""Which field of a search's configuration sets up which proxy of ours."""


class SearchConfig(RunConfig):
    """What is searched, on what data, how, and where."""

    file = "config.json"
    goes_on = "nas resume"

    trials: int = Field(24, ge=1)
    """How many candidates to evaluate, by all machines together."""
    store: str | None = None
    """URL of a store that a team shares, in PostgreSQL or SQLite, as postgresql://host/database (a password is better
    left to ~/.pgpass); the run's own study.db if not given."""
    study: str = Field("default", min_length=1, max_length=200)
    """Which study of that store: the same on every machine that takes part."""
    objectives: tuple[str, ...] = ()
    """What to optimise of what the proxy scores (a short training: ap, ap50, loss, gmacs, mparams, and latency_ms with
    --proxy.latency), the first before all, as it names the winner. Trials that are given up early are compared by all
    that are named; if none is, by the proxy's first, and gmacs is an objective beside it. Of the strategies, guided and
    nsga2 search by all that are named, the others by the first."""
    limits: Limits = Limits()
    scheduler: SchedulerConfig = SchedulerConfig()
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
        elif by not in SETTINGS:
            raise ValueError(unknown("proxy", by, SETTINGS))
        return by

    @property
    def built_in(self) -> BuiltIn | None:
        """The settings of what judges candidates; None for a proxy of the user's own."""
        settings: BuiltIn | None = getattr(self, SETTINGS[self.by]) if self.by in SETTINGS else None
        return settings

    @property
    def size(self) -> BuiltIn:
        """How big candidates are judged; a proxy of the user's own is taken to be as big as a short training."""
        return self.built_in or self.proxy

    @property
    def runs_on(self) -> RunnerName:
        return self.runner or ("pool" if self.by in QUICK and not self.ray_address else "ray")

    @property
    def team(self) -> tuple[str, str] | None:
        return (self.store, self.study) if self.store else None

    def anywhere(self) -> Self:
        config = super().anywhere()
        if config.store is None:
            return config
        url = parse_url(config.store).render_as_string(hide_password=False)
        return config.model_copy(update={"store": url})

    def agreed(self) -> dict[str, Any]:
        """What all drivers of a study agree upon: all but where each of them runs and finds things."""
        own = {
            "store",
            "study",
            "runner",
            "ray_address",
            "concurrent",
            "time_limit",
            "cpus_per_trial",
            "gpus_per_trial",
        }
        return self.model_dump(mode="json", exclude=own) | {"data": Path(self.data).name}

    @model_validator(mode="after")
    def _shared(self) -> Self:
        if self.study != "default" and not self.store:
            raise ValueError(f"study {self.study!r} has to lie in a store: give --store as well")
        if self.store and in_memory(parse_url(self.store)):
            raise ValueError(f"store {self.store!r} ends with its process: write sqlite:///FILE or postgresql://...")
        return self

    def chosen(self, offered: Mapping[str, Direction]) -> Mapping[str, Direction]:
        """What is optimised of the scores that a proxy offers; empty where nothing is named.

        Raises:
            ValueError: what is named is not among them.
        """
        for name in self.objectives:
            if name not in offered:
                raise ValueError(f"objectives: {unknown('score', name, offered)}")
        return {name: offered[name] for name in self.objectives}

    def compared(self, objectives: Mapping[str, Direction]) -> Mapping[str, Direction]:
        """Of the run's objectives those that are searched by, and that decide which trials are given up early."""
        return dict(list(objectives.items())[: len(self.objectives) or 1])

    @model_validator(mode="after")
    def _scored(self) -> Self:
        if self.by == "short_train" and "latency_ms" in self.objectives and not self.proxy.latency:
            raise ValueError(
                "objectives: latency_ms is not measured unless it is asked for: give --proxy.latency as well"
            )
        if self.built_in:
            self.chosen(self.built_in.offered)
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"objectives: {' '.join(self.objectives)}: name each once")
        return self
