"""Ways to carry out jobs with Ray that we do not go: what the benchmark of runners compares ours with."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune

Tick = Callable[[], None]
"""Called whenever a trial has ended."""


def tasks(count: int, tick: Tick) -> None:
    """A Ray task for each job: no worker is its own, and nothing is kept."""
    task: Any = ray.remote(_work)
    with _connected():
        for _ in range(count):
            ray.get(task.remote())
            tick()


def actor(count: int, tick: Tick) -> None:
    """An actor that stays, and a call for each job: nobody replaces it when it dies."""
    plain: Any = ray.remote(_Plain)
    with _connected():
        worker = plain.remote()
        for _ in range(count):
            ray.get(worker.work.remote())
            tick()


def tune_function(count: int, tick: Tick) -> None:
    """A Tune trial for each job, as its tutorials begin."""
    _tune(_reporting, count, tick)


def tune_class(count: int, tick: Tick) -> None:
    """A Tune trial for each job, in processes that are kept: as far as Tune's own options go."""
    _tune(_Reused, count, tick, reuse_actors=True)


@contextmanager
def _connected() -> Iterator[None]:
    os.environ |= {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
    ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)
    try:
        yield
    finally:
        ray.shutdown()


def _work() -> float:
    return 0.0


def _reporting(config: dict[str, Any]) -> None:
    tune.report({"ap": _work()})


class _Plain:
    def work(self) -> float:
        return _work()


class _Reused(tune.Trainable):
    def setup(self, config: dict[str, Any]) -> None:
        """Nothing to set up."""

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True

    def step(self) -> dict[str, Any]:
        return {"ap": _work(), "done": True}


class _Listener(tune.Callback):
    def __init__(self, tick: Tick) -> None:
        self._tick = tick

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tick()


def _tune(trainable: Any, count: int, tick: Tick, **how: Any) -> None:
    with _connected():
        tune.run(trainable, num_samples=count, max_concurrent_trials=1, callbacks=[_Listener(tick)], verbose=0, **how)
