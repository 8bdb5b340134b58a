"""Runs jobs by Ray Tune: on this machine's cores and GPUs, or on a cluster's.

A Tune trial is a long-lived worker, which Tune places on a node with room and replaces when it dies; a worker runs one
job after another. So no job is requested before it has a process, one surplus worker waits for a node to join, and a
job costs two messages. Tune's own state is discarded: the store is the system of record, and the caller's `tell`
decides which jobs stop early.
"""

import logging
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

# Ray reads these when it is imported
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # workers use this environment as it is
os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "."  # no output about dead workers: failed trials record the reason

import ray
from ray import tune
from ray._private import ray_constants
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher
from ray.tune.stopper import Stopper

from nas.search.runners import Resources
from nas.search.runners.attempt import GRACE_S, attempt, hard_limit, out_of_time, truncated
from nas.search.runners.code import imported_code
from nas.search.runners.ray_needs import ENVIRONMENT, lend_token, require_reachable, session_folder
from nas.search.types import Ask, CannotRun, Job, Report, State, Tell, Work

T = TypeVar("T")
_LONG_S = 120.0
_MOST_WAITING = 64
_MOST_STILLBORN = 50
"""Consecutive deaths of workers before readiness, which end the run."""
_LOG = logging.getLogger(__name__)


def build(resources: Resources) -> "RayRunner":
    """A runner with these resources."""
    return RayRunner(**asdict(resources))


class RayRunner(Resources):
    """Runs as many jobs at once as the machine or cluster has room for, nodes that join later included.

    Without an address, it starts Ray on this machine and stops it afterwards. CPUs per trial are also torch's number of
    threads, at least one.
    """

    def run(self, ask: Ask, work: Work, tell: Tell) -> None:
        """Carry out jobs until `ask` returns None.

        Raises:
            CannotRun: Ray cannot start, no cluster is at the address, or a trial reserves more than any node has.
            RuntimeError: workers cannot load the work, or die as they start.
        """
        with _connection(self.address, self.cpus_per_trial), tempfile.TemporaryDirectory() as folder:
            try:
                self._tune(_JobScheduler(ask, tell, self.time_limit), work, folder)
            except _CarriedError as carried:
                raise carried.error from None

    def _tune(self, scheduler: "_JobScheduler", work: Work, folder: str) -> None:
        # workers that may be pending: they start at once if there is room; later they wait, which an autoscaler sees
        waiting = min(self._room() + 1, self.concurrent or _MOST_WAITING, _MOST_WAITING)
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(waiting)
        tune.run(
            # through the object store: sent once, and workers on one machine share its arrays
            tune.with_parameters(_Worker, work=work, steps=self.steps, time_limit=self.time_limit),
            search_alg=_WorkerSupply(scheduler, self.concurrent),
            scheduler=scheduler,
            stop=_StopWhenDone(scheduler),
            num_samples=-1,
            resources_per_trial={"cpu": self.cpus_per_trial, "gpu": self.gpus_per_trial},
            max_failures=0,
            raise_on_failed_trial=False,
            storage_path=folder,
            trial_dirname_creator=lambda trial: trial.trial_id,
            verbose=0,
        )

    def _room(self) -> int:
        """How many trials fit on the current nodes."""
        needs = {"CPU": self.cpus_per_trial, "GPU": self.gpus_per_trial}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        room = sum(_fit(node, needs) for node in nodes)
        if not room:
            biggest = {kind: max(node.get(kind, 0) for node in nodes) for kind in needs}
            raise CannotRun(f"a trial asks for {needs}, and no node has it (the most is {biggest}): ask for less")
        return room


def _fit(node: Mapping[str, float], needs: Mapping[str, float]) -> int:
    return min(int(node.get(kind, 0) / need + 1e-6) for kind, need in needs.items() if need)


_UNBORN = ("creation task", "RuntimeEnvSetupError")
"""Phrases of Ray's errors if a worker cannot load its code or work, which no replacement can either."""
_REPORTS = "reports"


class _Worker(tune.Trainable):
    """One process, which runs one job after another: a call of `step` is a fidelity step of the current job."""

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], *, work: Work, steps: int, time_limit: float | None
    ) -> None:
        self._work = work
        self._steps = steps
        self._limit = time_limit
        self._reports: Generator[Report, None, None] | None = None

    def take(self, job: Job) -> None:
        """Close the current job; the next step starts this one."""
        self.cleanup()
        self._reports = attempt(self._work, job, time_limit=self._limit)
        self._taken, self._spent = 0, 0.0

    def step(self) -> dict[str, Any]:
        if self._reports is None:
            return {_REPORTS: []}  # ready
        with hard_limit(None if self._limit is None else max(self._limit - self._spent, 0.0)):
            first = next(self._reports)
        self._taken, self._spent = self._taken + 1, first.seconds
        last = not first.state.ended and self._taken == self._steps
        return {_REPORTS: [first, next(self._reports)] if last else [first]}  # saves a round trip

    def cleanup(self) -> None:
        if self._reports:
            self._reports.close()


class _CarriedError(BaseException):
    """Carries an error of `ask` or `tell` out of Tune, which swallows any `Exception`."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class _JobScheduler(FIFOScheduler):
    """Assigns jobs to idle workers and passes their reports to `tell`, as Tune's scheduler."""

    def __init__(self, ask: Ask, tell: Tell, time_limit: float | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._ask = ask
        self._tell = tell
        self._limit = math.inf if time_limit is None else time_limit
        self._current: dict[str, tuple[int, float]] = {}
        """Worker -> number of its current job, and the job's start (monotonic, s), moved later by waiting times."""
        self._stillborn, self._proven = 0, False
        """Proven: a worker has started once, so a later failure to start is its node's."""
        self._last_result = time.monotonic()
        self.empty = False
        """There are no more jobs."""

    @property
    def idle(self) -> bool:
        return not self._current

    def choose_trial_to_run(self, tune_controller: object) -> None:
        """None: Tune starts pending workers in order, without a scan of all workers of the run."""
        if self.idle and time.monotonic() - self._last_result > _LONG_S:
            _LOG.warning("no node has had room for a trial for %.0f s: waiting for one to join", _LONG_S)
            self._last_result = time.monotonic()

    def on_trial_result(self, tune_controller: object, trial: TuneTrial, result: dict[str, Any]) -> str:
        reports: list[Report] = result[_REPORTS]
        self._stillborn, self._proven, self._last_result = 0, True, time.monotonic()
        over = any(_carry(self._tell, report) for report in reports) or not reports or reports[-1].state.ended
        if not over:
            self._current[trial.trial_id] = reports[-1].number, time.monotonic() - reports[-1].seconds
            return self.CONTINUE
        self._current.pop(trial.trial_id, None)
        job = None if self.empty else _carry(self._ask)
        if job is None:
            self.empty = True
            return self.STOP
        self._current[trial.trial_id] = job.number, time.monotonic()
        worker: Any = trial.temporary_state.ray_actor
        worker.take.remote(job)  # Tune calls `step` after it, and Ray keeps the order
        return self.CONTINUE

    def on_trial_error(self, tune_controller: object, trial: TuneTrial) -> None:
        text = Path(trial.error_file).read_text() if trial.error_file else "for no known reason"
        reason = truncated(text.strip().splitlines()[-1])
        if trial.trial_id in self._current:
            number, since = self._current.pop(trial.trial_id)
            hung = time.monotonic() - since >= self._limit + GRACE_S  # ended by `hard_limit`; a retry would hang too
            error = out_of_time(self._limit) if hung else truncated(f"worker died: {reason}")
            _carry(self._tell, Report(number, State.failed, error=error, died=not hung))
            return
        self._stillborn += 1
        if self._stillborn == _MOST_STILLBORN or (not self._proven and any(sign in text for sign in _UNBORN)):
            raise _CarriedError(RuntimeError(f"a Ray worker could not start: {reason}"))


def _carry(call: Callable[..., T], *arguments: object) -> T:
    try:
        return call(*arguments)
    except Exception as error:
        raise _CarriedError(error) from error


class _WorkerSupply(Searcher):
    """Requests another worker whenever Tune asks, up to `most`, as Tune's searcher."""

    def __init__(self, scheduler: _JobScheduler, most: int | None) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._most = most or sys.maxsize
        self._workers: set[str] = set()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        if self._scheduler.empty:
            return Searcher.FINISHED
        if len(self._workers) == self._most:
            return None
        self._workers.add(trial_id)
        return {}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self._workers.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the store is the system of record."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see `save`."""


class _StopWhenDone(Stopper):
    """Ends the run, pending workers included, once no job is left: as Tune's stopper."""

    def __init__(self, scheduler: _JobScheduler) -> None:
        self._scheduler = scheduler

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._scheduler.empty and self._scheduler.idle

    def __getstate__(self) -> dict[str, object]:
        return {}  # Tune pickles stoppers to restore runs; none is restored


@contextmanager
def _connection(address: str | None, cpus_per_trial: float) -> Iterator[None]:
    """A connection to Ray: to the cluster at `address`, or to one started here and stopped afterwards."""
    os.environ.update(ENVIRONMENT)
    # Ray does not authenticate connections: a cluster started here listens on this machine only
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = bool(address)
    variables = {"RAY_CHDIR_TO_TRIAL_DIR": "0", "OMP_NUM_THREADS": str(max(1, int(cpus_per_trial)))}
    environment: dict[str, Any] = {"env_vars": variables}
    if address:
        require_reachable(address)
        environment["py_modules"] = imported_code()
    else:
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # workers import the same modules
        lend_token()
    try:
        try:
            ray.init(
                address=address or "local",
                include_dashboard=None if address else False,
                _temp_dir=None if address else session_folder(),
                runtime_env=environment,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
            )
        except CannotRun:
            raise
        except ConnectionError as error:
            raise CannotRun(f"no Ray cluster at {address!r}: start one, or leave the address out") from error
        except Exception as error:  # Ray raises many types, bare `Exception` among them
            where = f"cannot join the cluster at {address!r}" if address else "cannot start on this machine"
            raise CannotRun(f"Ray {where}: {truncated(str(error))}; --runner local does without Ray") from error
        yield
    finally:
        ray.shutdown()
        ray_constants.ENABLE_RAY_CLUSTER = before
