"""Runs jobs in a pool of processes on this machine: for proxies that score many candidates per second."""

import math
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

from nas.search.runners import Resources
from nas.search.runners.attempt import GRACE_S, carry_out, failure_reason, out_of_time
from nas.search.types import Ask, Job, Report, State, Tell, Work

_SPAWN = multiprocessing.get_context("spawn")  # torch does not survive a fork
_MOST_STILLBORN = 3
"""Consecutive deaths of a worker and its replacements before they have loaded the work, which end the run."""


def build(resources: Resources) -> "PoolRunner":
    """A runner with these resources; it reserves no GPU."""
    return PoolRunner(workers=resources.concurrent, time_limit=resources.time_limit)


@dataclass(frozen=True)
class PoolRunner:
    """Runs jobs in long-lived processes, each sent the work once and jobs in batches.

    A process that dies, or hangs where it cannot be interrupted, fails its current job and is replaced.

    Args:
        workers: number of processes, of one thread each; None for one per core.
        batch: jobs sent to a process at a time. A strategy makes `workers * batch` proposals before its first tell.
        time_limit: seconds a job may take.
    """

    workers: int | None = None
    batch: int = 4
    time_limit: float | None = None

    def run(self, ask: Ask, work: Work, tell: Tell) -> None:
        """Carry out jobs until `ask` returns None.

        Raises:
            RuntimeError: a process cannot load the work, or several in a row die as they start.
        """
        jobs = _Jobs(ask)
        pool: list[_Worker] = []
        try:
            while any(worker.jobs for worker in pool) or jobs.more():
                if not pool:
                    count = self.workers or len(os.sched_getaffinity(0))
                    pool.extend(_Worker(work, self.time_limit) for _ in range(count))
                for worker in pool:
                    if worker.idle and jobs.more():
                        worker.give(jobs.take(self.batch))
                for worker, report in self._receive(pool, jobs, work):
                    stop = tell(report)
                    if not report.state.ended:
                        worker.answer(report, stop)
        finally:
            for worker in pool:
                worker.stop()

    def _receive(self, pool: list["_Worker"], jobs: "_Jobs", work: Work) -> Iterator[tuple["_Worker", Report]]:
        """Wait for reports, yield them with their workers, and replace dead workers."""
        for worker in _ready_workers(pool):
            try:
                report = worker.receive()
            except _Dead as death:
                pool[pool.index(worker)] = _Worker(work, self.time_limit, worker.stillborn)
                jobs.put_back(worker.jobs)
                report = death.report
            if report:
                yield worker, report


class _Jobs:
    """The queue of jobs not sent to a worker yet."""

    def __init__(self, ask: Ask) -> None:
        self._ask: Ask | None = ask
        self._waiting: deque[Job] = deque()

    def more(self) -> bool:
        """Whether the queue has a job; asks for one if it is empty."""
        if not self._waiting and self._ask:
            if job := self._ask():
                self._waiting.append(job)
            else:
                self._ask = None
        return bool(self._waiting)

    def take(self, count: int) -> list[Job]:
        """Up to `count` jobs."""
        return [self._waiting.popleft() for _ in range(count) if self.more()]

    def put_back(self, jobs: Sequence[Job]) -> None:
        self._waiting.extendleft(reversed(jobs))


class _Dead(Exception):
    """A worker has died or hangs; `report` ends its current job, if any."""

    def __init__(self, report: Report | None) -> None:
        super().__init__()
        self.report = report


class _Worker:
    """The parent's end of one worker process.

    Attributes:
        jobs: jobs sent to the process and not ended; the first one is current.
        stillborn: consecutive deaths before readiness of this process and those it replaces.
    """

    def __init__(self, work: Work, time_limit: float | None, stillborn: int = 0) -> None:
        self.stillborn = stillborn
        self.jobs: deque[Job] = deque()
        self._limit = math.inf if time_limit is None else time_limit
        self._ready = False
        self._since = time.monotonic()
        self.connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, time_limit), daemon=True)
        with _one_thread():
            self._process.start()
        theirs.close()
        with suppress(BrokenPipeError, ConnectionResetError):  # `receive` notices a death
            self.connection.send(work)

    @property
    def idle(self) -> bool:
        return self._ready and not self.jobs

    @property
    def remaining(self) -> float:
        """Seconds until the process counts as hanging."""
        return self._since + self._limit + GRACE_S - time.monotonic() if self.jobs else math.inf

    def give(self, jobs: Sequence[Job]) -> None:
        self.jobs.extend(jobs)
        self._since = time.monotonic()
        with suppress(OSError):  # `receive` notices a death
            self.connection.send(jobs)

    def receive(self) -> Report | None:
        """The next report, or None for readiness; called when a message has arrived or the time is up.

        Raises:
            _Dead: the process has died or hangs.
            RuntimeError: the process could not load the work.
        """
        if not self.connection.poll():
            raise self._dead(out_of_time(self._limit))
        try:
            message: Report | str | None = self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            raise self._dead(f"worker died: {_cause(self._process.exitcode)}", died=True) from None
        if isinstance(message, str):
            raise RuntimeError(f"a worker could not load its work: {message}")
        if message is None:
            self._ready, self.stillborn = True, 0
        elif message.state.ended:
            self._next()
        return message

    def answer(self, report: Report, stop: bool) -> None:
        """Send whether to stop the reported job: the process waits for this answer after each fidelity step."""
        if stop:
            self._next()
        else:
            self._since = time.monotonic() - report.seconds  # time spent waiting does not count
        with suppress(OSError):
            self.connection.send(stop)

    def stop(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()

    def _next(self) -> None:
        self.jobs.popleft()
        self._since = time.monotonic()

    def _dead(self, reason: str, *, died: bool = False) -> Exception:
        self.stop()
        self.stillborn += not self._ready
        if self.stillborn == _MOST_STILLBORN:
            return RuntimeError(f"workers cannot start, {_MOST_STILLBORN} in a row: {reason}")
        if not self.jobs:
            return _Dead(None)
        seconds = time.monotonic() - self._since
        return _Dead(Report(self.jobs.popleft().number, State.failed, seconds=seconds, error=reason, died=died))


def _ready_workers(pool: Sequence[_Worker]) -> list[_Worker]:
    """Wait for workers that have sent a message or are out of time."""
    soonest = min(worker.remaining for worker in pool)
    readable = wait([worker.connection for worker in pool], None if soonest == math.inf else max(soonest, 0))
    return [worker for worker in pool if worker.connection in readable or worker.remaining <= 0]


def _serve(connection: Connection, time_limit: float | None) -> None:
    """A worker process: load the work, then run batches of jobs until the parent closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles interrupts

    def tell(report: Report) -> bool:
        connection.send(report)
        return not report.state.ended and bool(connection.recv())

    with suppress(EOFError, OSError):
        try:
            work: Work = connection.recv()
        except Exception as error:
            connection.send(failure_reason(error))
            return
        connection.send(None)
        while True:
            for job in connection.recv():
                carry_out(work, job, tell, time_limit=time_limit)


def _cause(code: int | None) -> str:
    return f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit processes started within to one thread: torch reads the variable when it is imported."""
    name = "OMP_NUM_THREADS"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
