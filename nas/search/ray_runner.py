"""Jobs carried out by Ray Tune: on this machine's cores and GPUs, or on a cluster's.

Tune places trials and keeps their processes alive from one to the next. What it remembers of a run is thrown away:
the store is the truth, and which trial is given up is for whoever is told of it to say.
"""

import faulthandler
import logging
import math
import os
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Ray reads these when it is imported
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # workers use this environment as it is
os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "."  # nothing is printed of workers that die: trials tell of it

import ray
from ray import tune
from ray._private import ray_constants
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from nas.search.attempt import GRACE_S, attempt, one_line
from nas.search.types import Ask, CannotRun, Job, Report, State, Tell, Work

_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new output prints a banner however quiet it is asked to be
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # an interrupt is for our caller
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}


@dataclass(frozen=True)
class RayRunner:
    """Runs as many jobs at once as the machine or cluster has room for.

    Args:
        steps: fidelity steps of a full evaluation.
        address: of a running cluster (`auto`, or `host:port`); None starts Ray on this machine and stops it after.
        cpus_per_trial: CPUs a trial reserves; torch runs on as many threads, at least one.
        gpus_per_trial: GPUs a trial reserves; may be a fraction.
        concurrent: how many trials run at once; None for as many as there is room for now.
        time_limit: seconds a trial may take.
    """

    steps: int
    address: str | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0
    concurrent: int | None = None
    time_limit: float | None = None

    def run(self, ask: Ask, work: Work, tell: Tell) -> None:
        """Carry out jobs until `ask` returns None.

        Raises:
            CannotRun: there is no cluster at the address, or a trial asks for more than it has.
            RuntimeError: workers cannot load the work.
        """
        with _connection(self.address, self.cpus_per_trial), tempfile.TemporaryDirectory() as folder:
            try:
                self._tune(_Asker(ask), work, _Teller(tell, self.time_limit), folder)
            except _Carrier as carrier:
                raise carrier.error from None

    def _tune(self, asker: "_Asker", work: Work, teller: "_Teller", folder: str) -> None:
        settings = _Settings(self.steps, self.time_limit)
        tune.run(
            # through the object store: sent once, and workers on one machine share its arrays
            tune.with_parameters(_Worker, work=work, settings=settings),
            search_alg=asker,
            scheduler=teller,
            num_samples=-1,
            max_concurrent_trials=self.concurrent or self._room(),
            resources_per_trial={"cpu": self.cpus_per_trial, "gpu": self.gpus_per_trial},
            reuse_actors=True,
            max_failures=0,
            raise_on_failed_trial=False,
            storage_path=folder,
            trial_dirname_creator=lambda trial: str(_job(trial).number),
            verbose=0,
        )

    def _room(self) -> int:
        """How many trials fit into the cluster as it is now."""
        needs = {"CPU": self.cpus_per_trial, "GPU": self.gpus_per_trial}
        there = ray.cluster_resources()  # type: ignore[no-untyped-call]
        room = min(int(there.get(kind, 0) / need + 1e-6) for kind, need in needs.items() if need)
        if not room:
            raise CannotRun(f"a trial asks for {needs}, the cluster has {there}: ask for less")
        return room


_UNBORN = "creation task"
"""What Ray says of a worker that could not load its work, as no other worker could."""
_NEWS = "news"


@dataclass(frozen=True)
class _Settings:
    steps: int
    time_limit: float | None


class _Worker(tune.Trainable):
    """One process, which carries out one job after another: a call of `step` is a fidelity step."""

    def setup(self, config: dict[str, Any], *, work: Work, settings: _Settings) -> None:  # type: ignore[override]
        self._work = work
        self._settings = settings
        self._reports: Generator[Report, None, None] = self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        self._reports = self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        with _doomed(self._settings.time_limit):
            first = next(self._reports)
        last = not first.state.ended and self.iteration + 1 == self._settings.steps
        return {_NEWS: [first, next(self._reports)] if last else [first]}  # a round trip of its own would be dear

    def cleanup(self) -> None:
        self._reports.close()

    def _begin(self, config: dict[str, Any]) -> Generator[Report, None, None]:
        return attempt(self._work, config["job"], time_limit=self._settings.time_limit)


@contextmanager
def _doomed(time_limit: float | None) -> Iterator[None]:
    """End this process if what runs inside outlives the limit within native code, where no signal handler can run."""
    if time_limit is None:
        yield
        return
    faulthandler.dump_traceback_later(time_limit + GRACE_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


class _Carrier(BaseException):
    """Carries an error of `ask` or `tell` out of Tune, which swallows any `Exception` and goes on."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class _Asker(Searcher):
    """Tune's way to ask for a job."""

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self._ask = ask

    def suggest(self, trial_id: str) -> dict[str, Any] | str:  # type: ignore[override]
        try:
            job = self._ask()
        except Exception as error:
            raise _Carrier(error) from error
        return Searcher.FINISHED if job is None else {"job": job}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Told of it by `_Teller`, which also learns why a worker died."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the store is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see `save`."""


class _Teller(FIFOScheduler):
    """Tune's way to tell of a job, and to hear whether it goes on: the only decision a scheduler has to take here."""

    def __init__(self, tell: Tell, time_limit: float | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tell = tell
        self._limit = math.inf if time_limit is None else time_limit

    def on_trial_result(self, tune_controller: object, trial: TuneTrial, result: dict[str, Any]) -> str:
        news: list[Report] = result[_NEWS]
        over = any(self._pass_on(report) for report in news) or news[-1].state.ended
        return self.STOP if over else self.CONTINUE

    def on_trial_error(self, tune_controller: object, trial: TuneTrial) -> None:
        text = Path(trial.error_file).read_text() if trial.error_file else "for no known reason"
        reason = text.strip().splitlines()[-1]
        if _UNBORN in text:
            raise _Carrier(RuntimeError(f"a Ray worker could not start: {one_line(reason)}"))
        # one that hung has ended itself, and would hang again
        died = time.time() - (trial.run_metadata.start_time or math.inf) < self._limit
        self._pass_on(Report(_job(trial).number, State.failed, error=one_line(f"worker died: {reason}"), died=died))

    def _pass_on(self, report: Report) -> bool:
        try:
            return self._tell(report)
        except Exception as error:
            raise _Carrier(error) from error


def _job(trial: TuneTrial) -> Job:
    job: Job = trial.config["job"]
    return job


@contextmanager
def _connection(address: str | None, cpus_per_trial: float) -> Iterator[None]:
    """Be connected to Ray: to the cluster at `address`, or to one started here and stopped after."""
    os.environ.update(_ENVIRONMENT)
    # Ray does not ask who connects: one of our own shall listen to this machine alone
    ray_constants.ENABLE_RAY_CLUSTER = bool(address)
    variables = {"RAY_CHDIR_TO_TRIAL_DIR": "0", "OMP_NUM_THREADS": str(max(1, int(cpus_per_trial)))}
    if not address:
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # workers import what we can
    try:
        try:
            ray.init(
                address=address or "local",
                include_dashboard=None if address else False,
                runtime_env={"env_vars": variables},
                log_to_driver=False,
                logging_level=logging.CRITICAL,
            )
        except ConnectionError as error:
            raise CannotRun(f"no Ray cluster at {address!r}: start one, or leave the address out") from error
        yield
    finally:
        ray.shutdown()
