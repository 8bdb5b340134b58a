"""How far proxies can be trusted: candidates scored by a reference and by each proxy, at several seeds."""

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
"""By so much a proxy's seeds lie above the reference's."""
SECONDS = "seconds"
"""The score that says how long an evaluation has taken so far: on CPUs in processor time, which other work on the
machine lengthens far less than the clock's, though by a fifth at times: cores share their caches."""


class _Scored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    seeds: int | None = Field(None, ge=1, le=PROXY_SEEDS)
    """How often it scores a candidate; as often as the ranking says if not given."""


class Reference(_Scored):
    """The way to score candidates that counts as the truth."""

    short_train: ShortTrainConfig

    @property
    def proxy(self) -> ShortTrainConfig:
        """The settings of what scores candidates."""
        return self.short_train


class Setting(_Scored):
    """A way to score candidates: by one of the proxies, or by the user's own."""

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
                f"own.score: a ranking calls an evaluation's time {SECONDS!r}: give your score another name"
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
    """What is compared: the reference, which counts as the truth, and settings by name."""

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
    """One evaluation of a candidate, by its place in the list, in one setting at one seed."""

    candidate: int
    setting: str
    seed: int


def measurements(plan: Plan, candidates: int, *, seeds: int, seed: int) -> Iterator[Measurement]:
    """All that is to be measured: every candidate in every setting once, then all of it at the next seed.

    No proxy shares a seed with the reference: a common initialisation or order of data would flatter it.
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
        vary: words; one member is drawn, and of the others only the decisions with one of these in their names.

    Raises:
        SpaceExhausted: the space does not have as many.
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
    """The proxies by setting; those that see the same images share them.

    Raises:
        DataError: an image does not decode.
        ImportPathError: a user's own proxy cannot be made, or does not score what it is ranked by.
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
    """The work of a ranking: a search's, timed, by the proxy of the job's setting."""

    proxies: Mapping[str, Evaluate]
    device: str

    def __call__(self, job: Job) -> Iterator[Scores]:
        assert isinstance(job, _Job)
        clock = time.process_time if self.device == "cpu" else time.perf_counter
        reports, spent, start = self.proxies[job.setting](job), 0.0, clock()
        for scores in reports:
            spent += clock() - start
            yield {**scores, SECONDS: spent}
            start = clock()  # whoever iterates may have taken a while


def row_key(candidates: Candidates, measurement: Measurement) -> str:
    """What a measurement is called in the store, whatever else is measured: a ranking may grow."""
    return f"{candidates[measurement.candidate].value.key()}/{measurement.setting}/{measurement.seed}"


def measured(store: Store, candidates: Candidates, queue: Iterable[Measurement]) -> dict[str, Trial]:
    """The trials that a store has of what is to be measured, by key."""
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
    """Measure what the store lacks; to resume is to call it again. What takes its worker with it starts anew, as often
    as a search's trials do.

    Args:
        queue: what is to be measured, in this order.
        watch: called with a measurement and its trial whenever that changes.
    """
    loop = _Loop(iter(queue), candidates, store, watch)
    work = _Measure({name: Evaluate(proxy, device, Genotype.from_json) for name, proxy in proxies.items()}, device)
    try:
        runner.run(loop.ask, work, loop.tell)
        while loop.again:
            runner.run(loop.ask, work, loop.tell)
    except BaseException:
        with suppress(DBAPIError):
            store.release(but=[*loop.left.values(), *(trial for _, trial in loop.again)])
        raise


@dataclass
class _Loop:
    queue: Iterator[Measurement]
    candidates: Candidates
    store: Store
    watch: Callable[[Measurement, Trial], None]
    known: dict[str, Trial] = field(init=False)
    left: dict[int, Trial] = field(init=False)
    """Trials that a driver which died left running, and that have not begun anew, by number."""
    running: dict[int, tuple[Measurement, Trial]] = field(default_factory=dict)
    again: deque[tuple[Measurement, Trial]] = field(default_factory=deque)
    """What its worker died of, to be tried again."""

    def __post_init__(self) -> None:
        self.known = {trial.key: trial for trial in self.store.trials()}
        self.left = {trial.number: trial for trial in self.known.values() if not trial.state.ended}

    def ask(self) -> Job | None:
        while self.again:
            job = self._job(*self.again[0])
            self.again.popleft()
            if job:
                return job
        for measurement in self.queue:
            known = self.known.get(row_key(self.candidates, measurement))
            if (known is None or not known.state.ended) and (job := self._job(measurement, known)):
                return job
        return None

    def tell(self, report: Report) -> bool:
        measurement, begun = self.running[report.number]
        if report.died and begun.attempts < MOST_ATTEMPTS:
            self.again.append(self.running.pop(report.number))
            return True
        trial = self.store.record(report)
        self.watch(measurement, trial)
        return trial.state.ended

    def _job(self, measurement: Measurement, known: Trial | None) -> Job | None:
        """Of a new trial, or of one begun anew; None where that was tried too often."""
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
