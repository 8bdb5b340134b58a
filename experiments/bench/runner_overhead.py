"""Overhead of an empty trial, by runner: `python -m experiments.bench.runner_overhead`.

Each runner has one worker, so the overhead is the time between the ends of two trials; the first trial is left out,
with the start of processes. Our runners are interleaved with plain uses of Ray and Tune.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator

from experiments.bench.baselines import plain_ray
from experiments.commands.arguments import run
from nas.search.runners.local import LocalRunner
from nas.search.runners.pool import PoolRunner
from nas.search.runners.ray import RayRunner
from nas.search.types import Job, Report, Runner, Scores

RunTrials = Callable[[int, plain_ray.Tick], None]
"""(number of trials, callback) -> runs the trials, and calls back at the end of each."""


def empty_trial(job: Job) -> Iterator[Scores]:
    yield {"ap": 0.0}


def through(runner: Runner) -> RunTrials:
    def run_trials(count: int, tick: plain_ray.Tick) -> None:
        jobs = iter([Job(number, "", 0) for number in range(count)])

        def tell(report: Report) -> bool:
            if report.state.ended:
                tick()
            return False

        runner.run(lambda: next(jobs, None), empty_trial, tell)

    return run_trials


RUNNERS: dict[str, tuple[RunTrials, int]] = {
    "RayRunner": (through(RayRunner(steps=1, concurrent=1)), 200),
    "PoolRunner": (through(PoolRunner(workers=1)), 400),
    "LocalRunner": (through(LocalRunner()), 400),
    "Ray tasks": (plain_ray.tasks, 200),
    "a Ray actor": (plain_ray.actor, 200),
    "Tune, a class, reused": (plain_ray.tune_class, 30),
    "Tune, a function": (plain_ray.tune_function, 3),
}
"""Name -> (how to run trials, number of trials per round)."""


def between(run_trials: RunTrials, count: int) -> float:
    """Mean time between the ends of two trials, s."""
    ends: list[float] = []
    run_trials(count, lambda: ends.append(time.perf_counter()))
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def main(*, rounds: int = 5) -> None:
    """Print the median time per trial of each runner, and its ratio to RayRunner's.

    Args:
        rounds: number of interleaved rounds.
    """
    times: dict[str, list[float]] = {name: [] for name in RUNNERS}
    for _ in range(rounds):
        for name, (run_trials, count) in RUNNERS.items():
            times[name].append(between(run_trials, count))
    ours = statistics.median(times["RayRunner"])
    print(f"load {os.getloadavg()[0]:.0f}, {rounds} rounds")
    for name, taken in times.items():
        median = statistics.median(taken)
        spread = f"{min(taken) * 1e3:.2f} .. {max(taken) * 1e3:.2f}"
        print(f"{name:22} {median * 1e3:9.2f} ms per trial ({spread}); {median / ours:8.2f} of RayRunner's")


if __name__ == "__main__":
    run(main, __doc__)
