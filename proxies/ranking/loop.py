"""Measure a plan: score the same candidates by the reference and by each proxy, at several seeds."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from nas.search.runners.evaluate import Evaluate
from nas.search.store import MOST_ATTEMPTS, Store
from nas.search.types import Job, Proxy, Report, Runner, Scores, Trial
from proxies.ranking.plan import SECONDS, Candidates, Measurement, row_key
from search_spaces.genotype import Genotype


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
