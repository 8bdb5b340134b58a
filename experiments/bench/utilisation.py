"""How busy a search keeps its workers: `python -m experiments.bench.utilisation [--workers 1 4 16 64]`.

Trials that sleep for a second go through the whole loop (strategy, key, store, runner, report, tell), at ever more
workers. They share this machine's cores, which sleepers need not have: what is left is what one driver can keep up
with. Counted from when each worker has had its first trial until the last trials are handed out.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.search.ray_runner import RayRunner
from nas.search.run_search import run_search
from nas.search.store import Store
from nas.search.strategies import StrategyConfig, build_strategy
from nas.search.types import Direction, Scores, Trial
from search_spaces.genotype import Genotype
from search_spaces.joint import JointSpace


@dataclass(frozen=True)
class Sleeper:
    """Scores every genotype alike, after a while."""

    seconds: float
    steps: int = 1

    @property
    def objectives(self) -> Mapping[str, Direction]:
        return {"ap": "max"}

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        for _ in range(self.steps):
            time.sleep(self.seconds / self.steps)
            yield {"ap": 0.0}


@dataclass(frozen=True)
class Use:
    """What became of the workers' time.

    Attributes:
        share: of it that was slept.
        driver: CPU seconds of the driver, a trial.
        start: seconds until every worker had had a trial.
    """

    share: float
    driver: float
    start: float


def use(workers: int, rounds: int, proxy: Sleeper, strategy: str) -> Use:
    """Measure with `workers` trials at once, for so many rounds of all of them between the first and the last."""
    ends: list[tuple[float, float]] = []

    def watch(trial: Trial) -> None:
        if trial.state.ended:
            ends.append((time.perf_counter(), time.process_time()))

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run_search(
            strategy=build_strategy(StrategyConfig(name=strategy), JointSpace(), proxy.objectives, seed=0),
            proxy=proxy,
            runner=RayRunner(proxy.steps, cpus_per_trial=len(os.sched_getaffinity(0)) / workers, concurrent=workers),
            store=Store(f"sqlite:///{Path(folder, 'study.db')}"),
            trials=(rounds + 2) * workers,
            seed=0,
            device="cpu",
            watch=watch,
        )
    (began, cpu_began), (over, cpu_over) = ends[workers - 1], ends[-workers - 1]
    count = len(ends) - 2 * workers
    return Use(count * proxy.seconds / workers / (over - began), (cpu_over - cpu_began) / count, began - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64], help="trials at once")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a trial")
    parser.add_argument("--steps", type=int, default=1, help="reports of a trial")
    parser.add_argument("--rounds", type=int, default=8, help="trials of each worker that are counted")
    parser.add_argument("--strategy", default="evolution")
    asked = parser.parse_args()
    print("workers  busy  driver's CPU a trial  all workers there after", flush=True)
    for workers in asked.workers:
        found = use(workers, asked.rounds, Sleeper(asked.seconds, asked.steps), asked.strategy)
        load = os.getloadavg()[0]
        told = f"{found.share:6.1%} {found.driver * 1e3:16.1f} ms {found.start:22.1f} s"
        print(f"{workers:7} {told}   (load {load:.0f})", flush=True)


if __name__ == "__main__":
    main()
