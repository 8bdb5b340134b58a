"""Plain ways to run jobs with Ray and Tune: the baselines of `runner_overhead`."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune

Tick = Callable[[], None]
"""Callback at the end of a trial."""


def tasks(count: int, tick: Tick) -> None:
    """One Ray task per job: workers are not reserved and keep no state."""
    task: Any = ray.remote(_work)
    with _connected():
        for _ in range(count):
            ray.get(task.remote())
            tick()


def actor(count: int, tick: Tick) -> None:
    """One persistent actor, and a method call per job: a dead actor is not replaced."""
    plain: Any = ray.remote(_Plain)
    with _connected():
        worker = plain.remote()
        for _ in range(count):
            ray.get(worker.work.remote())
            tick()


def tune_function(count: int, tick: Tick) -> None:
    """One Tune trial per job with a function trainable, as in its tutorials."""
    _tune(_reporting, count, tick)


def tune_class(count: int, tick: Tick) -> None:
    """One Tune trial per job with a class trainable and reused actors, Tune's fastest options."""
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
        """No set-up is needed."""

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
