"""Measure a plan: score the same candidates by the reference and by each proxy, at several seeds."""

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from sqlalchemy.exc import DBAPIError

from nas.data.cache import Images
from nas.data.detection_set import DetectionSet
from nas.search.run_search import MOST_REPEATS
from nas.search.runners.evaluate import Evaluate
from nas.search.store import MOST_ATTEMPTS, Store
from nas.search.types import Job, Proxy, Report, Runner, Scores, Trial
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


@dataclass(frozen=True)
class _Job(Job):
    setting: str


@dataclass(frozen=True)
class _Measure:
    """The work of a ranking: evaluate a job by the proxy of its setting, and add the time as a score."""

    proxies: Mapping[str, Evaluate]
    device: str

    def __call__(self, job: Job) -> Iterator[Scores]:
        assert isinstance(job, _Job)
        clock = time.process_time if self.device == "cpu" else time.perf_counter
        reports, spent, start = self.proxies[job.setting](job), 0.0, clock()
        for scores in reports:
            spent += clock() - start
            yield {**scores, SECONDS: spent}
            start = clock()  # excludes the time between two reports


def row_key(candidates: Candidates, measurement: Measurement) -> str:
    """A measurement's key in the store, independent of the other measurements, so that a ranking may grow."""
    return f"{candidates[measurement.candidate].value.key()}/{measurement.setting}/{measurement.seed}"


def measured(store: Store, candidates: Candidates, queue: Iterable[Measurement]) -> dict[str, Trial]:
    """The trials in the store that belong to these measurements, by key."""
    wanted = {row_key(candidates, measurement) for measurement in queue}
    return {trial.key: trial for trial in store.trials() if trial.key in wanted}


def run_ranking(
    *,
    queue: Iterable[Measurement],
    candidates: Candidates,
    proxies: Mapping[str, Proxy],
    runner: Runner,
    store: Store,
    device: str,
    watch: Callable[[Measurement, Trial], None],
) -> None:
    """Run the measurements that the store lacks; call it again to resume. A measurement whose worker dies is repeated,
    up to `MOST_ATTEMPTS` attempts.

    Args:
        queue: the measurements, in order.
        watch: called with a measurement and its trial whenever the trial changes.
    """
    loop = _Loop(iter(queue), candidates, store, watch)
    work = _Measure({name: Evaluate(proxy, device, Genotype.from_json) for name, proxy in proxies.items()}, device)
    try:
        runner.run(loop.ask, work, loop.tell)
        while loop.retries:
            runner.run(loop.ask, work, loop.tell)
    except BaseException:
        with suppress(DBAPIError):
            store.release(but=[*loop.left.values(), *(trial for _, trial in loop.retries)])
        raise


@dataclass
class _Loop:
    queue: Iterator[Measurement]
    candidates: Candidates
    store: Store
    watch: Callable[[Measurement, Trial], None]
    known: dict[str, Trial] = field(init=False)
    left: dict[int, Trial] = field(init=False)
    """Trials that a dead driver left running and that have not been restarted, by number."""
    running: dict[int, tuple[Measurement, Trial]] = field(default_factory=dict)
    retries: deque[tuple[Measurement, Trial]] = field(default_factory=deque)
    """Measurements whose worker died, to be repeated."""

    def __post_init__(self) -> None:
        self.known = {trial.key: trial for trial in self.store.trials()}
        self.left = {trial.number: trial for trial in self.known.values() if not trial.state.ended}

    def ask(self) -> Job | None:
        while self.retries:
            job = self._job(*self.retries[0])
            self.retries.popleft()
            if job:
                return job
        for measurement in self.queue:
            known = self.known.get(row_key(self.candidates, measurement))
            if (known is None or not known.state.ended) and (job := self._job(measurement, known)):
                return job
        return None

    def tell(self, report: Report) -> bool:
        measurement, trial = self.running[report.number]
        if report.died and trial.attempts < MOST_ATTEMPTS:
            self.retries.append(self.running.pop(report.number))
            return True
        trial = self.store.record(report)
        self.watch(measurement, trial)
        return trial.state.ended

    def _job(self, measurement: Measurement, known: Trial | None) -> Job | None:
        """The job of a new or restarted trial; None if the trial has had its last attempt."""
        trial = self.store.restart(known) if known else self._create(measurement)
        self.left.pop(trial.number, None)
        self.watch(measurement, trial)
        if trial.state.ended:
            return None
        self.running[trial.number] = measurement, trial
        return _Job(trial.number, trial.genotype, trial.seed, measurement.setting)

    def _create(self, measurement: Measurement) -> Trial:
        candidate, key = self.candidates[measurement.candidate], row_key(self.candidates, measurement)
        genotype = candidate.value.to_json()
        return self.store.create(key=key, trace=candidate.trace, genotype=genotype, seed=measurement.seed)
