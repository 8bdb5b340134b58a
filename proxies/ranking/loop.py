"""Measure a plan: score the same candidates by the reference and by each proxy, at several seeds."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from nas.search.lease import Lease
from nas.search.runners.evaluate import Evaluate
from nas.search.store import Store
from nas.search.trial_loop import TrialLoop
from nas.search.types import Job, Proxy, Runner, Scores, Trial
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
    """Run the measurements that the store lacks; call it again to resume.

    Args:
        queue: the measurements, in order.
        candidates: the members that the measurements index.
        proxies: by setting.
        device: the proxies' device, in the worker's own numbering.
        watch: called with a measurement and its trial whenever the trial changes.

    Raises:
        StoreError: the store is damaged, full, or unreachable for too long.
    """
    work = _Measure({name: Evaluate(proxy, device, Genotype.from_json) for name, proxy in proxies.items()}, device)
    by_key = {row_key(candidates, measurement): measurement for measurement in queue}
    known = {trial.key for trial in store.trials()}
    with Lease(store) as lease:
        loop = _Loop(
            store=store,
            lease=lease,
            foreign={trial.number: trial for trial in store.running() if trial.key not in by_key},
            candidates=candidates,
            queue=by_key,
            missing=iter([key for key in by_key if key not in known]),
            watch=watch,
        )
        loop.run(runner, work)


@dataclass(kw_only=True)
class _Loop(TrialLoop):
    candidates: Candidates
    queue: Mapping[str, Measurement]
    """Every measurement, by its trial's key."""
    missing: Iterator[str]
    """Keys of the measurements without a trial."""
    watch: Callable[[Measurement, Trial], None]

    def new_trial(self) -> Trial | None:
        key = next(self.missing, None)
        if key is None:
            return None
        measurement = self.queue[key]
        candidate = self.candidates[measurement.candidate]
        genotype = candidate.value.to_json()
        return self.store.create(key=key, trace=candidate.trace, genotype=genotype, seed=measurement.seed)

    def job(self, trial: Trial) -> Job:
        return _Job(trial.number, trial.genotype, trial.seed, self.queue[trial.key].setting)

    def update(self, trial: Trial) -> None:
        self.watch(self.queue[trial.key], trial)
