"""Overhead of a search around its proxy: `python -m experiments.bench.search_overhead [--json]`.

An empty proxy goes through the whole loop (ask, replay, key, JSON, store, runner, report, tell), so the time is the
overhead of a trial; then a store of 10,000 trials is reopened.
"""

import random
import tempfile
import time
from json import dumps
from pathlib import Path

from experiments.bench.baselines.no_proxy import NoProxy
from experiments.bench.store import many, ours, reopening
from experiments.commands.arguments import run
from nas.search.halving.scheduler import SchedulerConfig
from nas.search.runners.local import LocalRunner
from nas.search.runners.ray import RayRunner
from nas.search.search import Search
from nas.search.store import Store
from nas.search.strategies import strategy_config
from nas.search.types import Runner, Trial
from search_spaces.choose import sample
from search_spaces.joint import JointSpace

EMPTY = NoProxy(steps=3)


def overhead(runner: Runner, store: Store, trials: int) -> tuple[float, float]:
    """Milliseconds per trial after the first one, and seconds until the first one has ended."""
    ends: list[float] = []

    def watch(trial: Trial) -> None:
        if trial.state.ended:
            ends.append(time.perf_counter())

    search = Search(
        space=JointSpace(),
        proxy=EMPTY,
        store=store,
        trials=trials,
        strategy=strategy_config("evolution"),
        scheduler=SchedulerConfig(method="none"),
        runner=runner,
        watch=watch,
    )
    start = time.perf_counter()
    search.run()
    return (ends[-1] - ends[0]) / (len(ends) - 1) * 1e3, ends[0] - start


def measure(trials: int, stored: int) -> dict[str, float]:
    """All measurements, by name with unit."""
    with tempfile.TemporaryDirectory() as folder:
        local, ray = (f"sqlite:///{Path(folder, name)}" for name in ("local.db", "ray.db"))
        local_ms, _ = overhead(LocalRunner(), Store(local, report_every=1.0), trials)
        ray_ms, ray_start_s = overhead(RayRunner(EMPTY.steps), Store(ray, report_every=1.0), trials)
        member = sample(JointSpace(), random.Random(0))
        write = ours(Store(local, "few"), member)
        start = time.perf_counter()
        for _ in range(trials):
            write()
        write_ms = (time.perf_counter() - start) / trials * 1e3
        open_s = reopening(local, many(local, member, stored), "evolution")
    return {
        "local_ms_per_trial": local_ms,
        "ray_ms_per_trial": ray_ms,
        "ray_start_s": ray_start_s,
        "store_ms_per_trial": write_ms,
        f"open_{stored}_trials_s": open_s,
    }


def main(*, json: bool = False, trials: int = 200, stored: int = 10_000) -> None:
    """Print all measurements.

    Args:
        json: print one JSON document.
        trials: trials through each runner.
        stored: trials to reopen.
    """
    results = measure(trials, stored)
    if json:
        print(dumps(results))
    else:
        print("\n".join(f"{name:24} {value:8.2f}" for name, value in results.items()))


if __name__ == "__main__":
    run(main, __doc__)
