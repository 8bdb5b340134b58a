"""Jobs carried out by a pool of processes on this machine: for proxies of which many pass in a second."""

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

from nas.search.runners.attempt import GRACE_S, carry_out, describe, out_of_time
from nas.search.types import Ask, Job, Report, State, Tell, Work

_SPAWN = multiprocessing.get_context("spawn")  # torch does not survive a fork
_MOST_STILLBORN = 3
"""Processes in a row that may die in one place before they have loaded their work."""


@dataclass(frozen=True)
class PoolRunner:
    """Runs jobs in processes that stay, each handed several jobs at a time and sent the work once.

    A process that dies, or hangs where nothing can interrupt it, costs the job it is at; another one takes its place.

    Args:
        workers: how many processes, of one thread each; None for as many as there are cores.
        batch: jobs a process is handed at a time. A strategy proposes `workers * batch` before it hears of any.
        time_limit: seconds a job may take.
    """

    workers: int | None = None
    batch: int = 4
    time_limit: float | None = None

    def run(self, ask: Ask, work: Work, tell: Tell) -> None:
        """Carry out jobs until `ask` returns None.

        Raises:
            RuntimeError: a process cannot load the work, as no other could, or one after the other dies as it starts.
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
                for worker, report in self._listen(pool, jobs, work):
                    given_up = tell(report)
                    if not report.state.ended:
                        worker.answer(report, given_up)
        finally:
            for worker in pool:
                worker.stop()

    def _listen(self, pool: list["_Worker"], jobs: "_Jobs", work: Work) -> Iterator[tuple["_Worker", Report]]:
        """Wait for news and who has it, and replace who has died."""
        for worker in _talking(pool):
            try:
                report = worker.hear()
            except _Dead as death:
                pool[pool.index(worker)] = _Worker(work, self.time_limit, worker.stillborn)
                jobs.put_back(worker.jobs)
                report = death.report
            if report:
                yield worker, report


class _Jobs:
    """The jobs still to be handed out."""

    def __init__(self, ask: Ask) -> None:
        self._ask: Ask | None = ask
        self._waiting: deque[Job] = deque()

    def more(self) -> bool:
        """Whether there is one; asks where none is waiting."""
        if not self._waiting and self._ask:
            if job := self._ask():
                self._waiting.append(job)
            else:
                self._ask = None
        return bool(self._waiting)

    def take(self, count: int) -> list[Job]:
        """As many as there are, up to `count`."""
        return [self._waiting.popleft() for _ in range(count) if self.more()]

    def put_back(self, jobs: Sequence[Job]) -> None:
        self._waiting.extendleft(reversed(jobs))


class _Dead(Exception):
    """A worker is no more; `report` ends the job it was at, if any."""

    def __init__(self, report: Report | None) -> None:
        super().__init__()
        self.report = report


class _Worker:
    """One process, seen from outside.

    Attributes:
        jobs: what it was handed and has not ended; it is at the first.
        stillborn: how many in a row have died in its place before they were ready, itself included.
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
        with suppress(BrokenPipeError, ConnectionResetError):  # of a death we hear soon enough
            self.connection.send(work)

    @property
    def idle(self) -> bool:
        return self._ready and not self.jobs

    @property
    def remaining(self) -> float:
        """Seconds until it has to be taken for hanging."""
        return self._since + self._limit + GRACE_S - time.monotonic() if self.jobs else math.inf

    def give(self, jobs: Sequence[Job]) -> None:
        self.jobs.extend(jobs)
        self._since = time.monotonic()
        with suppress(OSError):  # of a death we hear soon enough
            self.connection.send(jobs)

    def hear(self) -> Report | None:
        """What it has to say; called when there is something, or no time is left.

        Raises:
            _Dead: it has died, or hangs.
            RuntimeError: it could not load the work.
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

    def answer(self, report: Report, given_up: bool) -> None:
        """Say whether the job it has reported on is given up: it waits to hear that after each fidelity step."""
        if given_up:
            self._next()
        else:
            self._since = time.monotonic() - report.seconds  # what it waited does not count
        with suppress(OSError):
            self.connection.send(given_up)

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


def _talking(pool: Sequence[_Worker]) -> list[_Worker]:
    """Wait for workers that have something to say, or are out of time."""
    soonest = min(worker.remaining for worker in pool)
    heard = wait([worker.connection for worker in pool], None if soonest == math.inf else max(soonest, 0))
    return [worker for worker in pool if worker.connection in heard or worker.remaining <= 0]


def _serve(connection: Connection, time_limit: float | None) -> None:
    """A worker's life: load the work, then batch after batch, until nobody is at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for our parent

    def tell(report: Report) -> bool:
        connection.send(report)
        return not report.state.ended and bool(connection.recv())

    with suppress(EOFError, OSError):
        try:
            work: Work = connection.recv()
        except Exception as error:
            connection.send(describe(error))
            return
        connection.send(None)
        while True:
            for job in connection.recv():
                carry_out(work, job, tell, time_limit=time_limit)


def _cause(code: int | None) -> str:
    return f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name


@contextmanager
def _one_thread() -> Iterator[None]:
    """Have processes that start now compute on one thread: torch looks when it is imported."""
    name = "OMP_NUM_THREADS"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
