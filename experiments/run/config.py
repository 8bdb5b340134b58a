"""The configuration of a run: everything needed to repeat it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nas.data.digits.scenes import DigitsConfig
from nas.data.fetch import is_url
from nas.search.halving.scheduler import SchedulerConfig
from nas.search.runners import RUNNERS
from nas.search.store.database import in_memory, parse_url
from nas.search.strategies import AnyStrategy, strategy_config
from nas.search.types import Direction
from proxies.budget import Limits
from proxies.config import ShortTrainConfig
from proxies.registry import PROXIES, AnyProxy
from search_spaces.naming import unknown
from search_spaces.registry import find_space

if TYPE_CHECKING:
    RunnerName = str
else:
    RunnerName = Literal[tuple(RUNNERS)]
_RUNNERS = (
    "Where trials run. "
    + "; ".join(f"{name}: {runner.about}" for name, runner in RUNNERS.items())
    + ". By default ray; pool, if the proxy scores many candidates per second and no ray_address is given."
)


def split_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """Words of a flag that are separated by spaces or commas."""
    return tuple(part for word in words for part in word.split(",") if part)


class RunConfig(BaseModel):
    """Settings that searches and rankings share: data, space, seed, and the resources of a trial."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    file: ClassVar[str]
    """Name of the configuration file in the run's directory."""
    resume_command: ClassVar[str]
    """The command that resumes an interrupted run."""
    what: ClassVar[str]
    """A noun for what the run is."""

    data: str = "digits"
    """Data set: a directory in COCO's format, the URL of a zip or tar of one, or "digits" (generated)."""
    space: str = "joint"
    """Search space: joint, spinenet, asff, msfm, dsa, fpn, nas-fpn, one of the partly permuted SpineNet spaces,
    or your own as my_module:MySpace."""
    seed: int = Field(0, ge=0)
    """Random seed of the candidates, the initial weights and the order of the data."""
    out: Path | None = Field(None, exclude=True)
    """Directory of the run, which must be new or empty; by default a new one under runs/."""
    runner: RunnerName | None = Field(None, description=_RUNNERS)
    ray_address: str | None = None
    """Address of a running Ray cluster, "auto" or host:port; by default Ray is started on this machine."""
    cpus_per_trial: float = Field(1.0, gt=0)
    """CPU cores reserved per trial."""
    gpus_per_trial: float | None = Field(None, ge=0)
    """GPUs reserved per trial, a whole number or a fraction of one; 0 runs on CPUs.
    By default 1 if this machine has a GPU, else 0. The pool reserves none: it runs on CPUs, or on a GPU if above 0."""
    concurrent: int | None = Field(None, ge=1)
    """Maximum number of trials that run at once; by default as many as the resources allow."""
    time_limit: float | None = Field(1800.0, gt=0)
    """Time limit of a trial, in seconds; a trial that exceeds it fails. None for no limit."""
    digits: DigitsConfig = DigitsConfig()

    @property
    def team(self) -> tuple[str, str] | None:
        """URL and study name of a shared store; None if the run has its own."""
        return None

    def anywhere(self) -> Self:
        """A copy with absolute paths, so that the run can be resumed from any directory."""
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
        runner = RUNNERS[self.runs_on]
        if self.ray_address and not runner.clusters:
            raise ValueError(
                f"ray_address: the runner {self.runs_on} uses no cluster: leave {self.ray_address!r} out, or give "
                "runner ray"
            )
        if self.concurrent and self.concurrent > 1 and not runner.parallel:
            raise ValueError(
                f"concurrent: the runner {self.runs_on} runs one trial at a time, not {self.concurrent}; give another "
                "runner"
            )
        return self

    @property
    def runs_on(self) -> RunnerName:
        """The runner: as configured, else the default."""
        return self.runner or "ray"


class SearchOptions(RunConfig):
    """The options of a search; the proxy's and the strategy's settings are in `SearchConfig`."""

    trials: int = Field(24, ge=1)
    """Number of trials of the study, by all machines together."""
    store: str | None = None
    """Store shared by several machines: the URL of a PostgreSQL database, such as postgresql://host/database, or the
    path of an SQLite file; by default the run's own study.db. Keep the password in ~/.pgpass."""
    study: str = Field("default", min_length=1, max_length=200)
    """Name of the study in that store, the same on every machine that takes part."""
    objectives: tuple[str, ...] = ()
    """Scores to optimise; the first one decides the winner. By default the proxy's own, such as ap and gmacs.
    short_train offers ap, ap50, loss, gmacs, mparams, and latency_ms with --proxy.latency.
    The scheduler compares trials by all that are named, a strategy by all or by the first (see --strategy.name);
    by default both compare by the proxy's first."""
    limits: Limits = Limits()
    scheduler: SchedulerConfig = SchedulerConfig()

    @field_validator("objectives")
    @classmethod
    def _split(cls, objectives: tuple[str, ...]) -> tuple[str, ...]:
        return split_words(objectives)

    @model_validator(mode="after")
    def _shared(self) -> Self:
        if self.study != "default" and not self.store:
            raise ValueError(f"study {self.study!r} needs a shared store: give --store as well")
        if self.store and in_memory(parse_url(self.store)):
            raise ValueError(
                f"store {self.store!r} is in memory and would be lost: give sqlite:///FILE or postgresql://..."
            )
        return self


class SearchConfig(SearchOptions):
    """The configuration of a search: space, data, proxy, strategy, scheduler, objectives, limits and resources."""

    file = "config.json"
    what = "search"
    resume_command = "nas resume"

    strategy: AnyStrategy = strategy_config()
    proxy: AnyProxy = ShortTrainConfig()
    retraining: ShortTrainConfig | None = None
    """Short training from which `nas train` takes its default recipe, if the proxy is another."""

    @property
    def runs_on(self) -> RunnerName:
        return self.runner or ("pool" if self.proxy.quick and not self.ray_address else "ray")

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
        """The settings that all drivers of a study must share: all but paths, resources and the runner."""
        own = {
            "store",
            "study",
            "runner",
            "ray_address",
            "concurrent",
            "time_limit",
            "cpus_per_trial",
            "gpus_per_trial",
            "retraining",
        }
        return self.model_dump(mode="json", exclude=own) | {"data": Path(self.data).name}

    def chosen(self, offered: Mapping[str, Direction]) -> Mapping[str, Direction]:
        """The configured objectives, with their directions; empty if none is configured.

        Raises:
            ValueError: the proxy does not offer one of them.
        """
        for name in self.objectives:
            if name not in offered:
                raise ValueError(f"objectives: {unknown('score', name, offered)}")
        return {name: offered[name] for name in self.objectives}

    @model_validator(mode="before")
    @classmethod
    def _migrated(cls, document: Any) -> Any:
        return migrated(document) if isinstance(document, dict) else document

    @model_validator(mode="after")
    def _scored(self) -> Self:
        for name, flag in self.proxy.optional.items():
            if name in self.objectives:
                raise ValueError(f"objectives: {name} is only measured with {flag}: give that as well")
        if self.proxy.objectives:
            self.chosen(self.proxy.offered)
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"objectives: {' '.join(self.objectives)}: name each once")
        return self


def migrated(document: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration, or what a study keeps of it, in the present form.

    Version 0.1 held the settings of all proxies side by side, `short_train`'s under `proxy`, and the name of the one
    in use under `by`; and the settings of all strategies, which `AnyStrategy` leaves out.
    """
    found = dict(document)
    by = found.pop("by", None) or next(iter(PROXIES))
    others = {kind: found.pop(kind, {}) for kind in ("zero_cost", "cost")}
    proxy = found.get("proxy", {})
    if not isinstance(proxy, Mapping) or "kind" in proxy:
        return found
    if by == "short_train":
        return {**found, "proxy": {"kind": by, **proxy}}
    size = {name: value for name, value in proxy.items() if name in ("scale", "image_size")}
    settings = {"kind": by, **others[by]} if by in others else {"kind": "own", "path": by, **size}
    return {**found, "proxy": settings, "retraining": proxy or None}
