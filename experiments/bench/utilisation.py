"""Utilisation of a search's workers: `python -m experiments.bench.utilisation [--workers 1 4 16 64]`.

Trials that sleep for a second go through the whole loop (strategy, key, store, runner, report, tell), with increasing
numbers of workers. Sleeping workers need no cores, so the result is the throughput limit of one driver, measured after
all workers have started and settled.
"""

import os
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from experiments.bench.baselines.no_proxy import NoProxy
from experiments.commands.arguments import run
from nas.search.halving.scheduler import SchedulerConfig
from nas.search.runners.ray import RayRunner
from nas.search.search import Search
from nas.search.store import Store
from nas.search.strategies import strategy_config
from nas.search.types import Trial
from search_spaces.joint import JointSpace

SETTLE_S = 3.0


class _Enough(Exception):
    """Ends a search once the measurement is complete."""


@dataclass
class Watch:
    """Counts the trials that end within `seconds`, once all workers are busy and have settled."""

    workers: int
    seconds: float
    created: float = field(default_factory=time.perf_counter)
    running: set[int] = field(default_factory=set)
    full: float | None = None
    """Time at which all workers were first busy at once."""
    ends: list[tuple[float, float]] = field(default_factory=list)
    """Wall and CPU time at each counted end of a trial, s."""

    def __call__(self, trial: Trial) -> None:
        now = time.perf_counter()
        if not trial.state.ended:
            self.running.add(trial.number)
            if self.full is None and len(self.running) == self.workers:
                self.full = now
            return
        self.running.discard(trial.number)
        if self.full is not None and now > self.full + SETTLE_S:
            self.ends.append((now, time.process_time()))
            if now > self.ends[0][0] + self.seconds:
                raise _Enough

    def row(self, seconds: float) -> str:
        """A table row, for trials that take `seconds`: workers, utilisation, driver's CPU time, start-up time."""
        assert self.full is not None
        (start, cpu_start), (end, cpu_end) = self.ends[0], self.ends[-1]
        count = len(self.ends) - 1
        busy = count * seconds / self.workers / (end - start)
        cpu = (cpu_end - cpu_start) / count
        return f"{self.workers:7} {busy:7.1%} {cpu * 1e3:18.1f} ms {self.full - self.created:21.1f} s"


def measure(workers: int, proxy: NoProxy, strategy: str, seconds: float) -> Watch:
    """Search with a number of workers until `seconds` have been measured."""
    watch = Watch(workers, seconds)
    with tempfile.TemporaryDirectory() as folder, suppress(_Enough):
        Search(
            space=JointSpace(),
            proxy=proxy,
            store=Store(f"sqlite:///{Path(folder, 'study.db')}", report_every=1.0),
            trials=1_000_000,
            strategy=strategy_config(strategy),
            scheduler=SchedulerConfig(method="none"),
            runner=RayRunner(proxy.steps, cpus_per_trial=len(os.sched_getaffinity(0)) / workers, concurrent=workers),
            watch=watch,
        ).run()
    return watch


def main(
    *,
    workers: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64),
    seconds: float = 1.0,
    steps: int = 1,
    watch: float = 15.0,
    strategy: str = "evolution",
) -> None:
    """Print a table row per number of workers.

    Args:
        workers: numbers of parallel trials to measure.
        seconds: duration of a trial, s.
        steps: reports per trial.
        watch: duration of a measurement, s.
        strategy: the strategy that proposes the trials.
    """
    print("workers    busy  driver CPU per trial  all workers busy after", flush=True)
    for count in workers:
        watched = measure(count, NoProxy(steps, seconds), strategy, watch)
        print(f"{watched.row(seconds)}   (load {os.getloadavg()[0]:.0f})", flush=True)


if __name__ == "__main__":
    run(main, __doc__)
