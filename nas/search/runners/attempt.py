"""One attempt at a job in its worker, with every error turned into the reason of a failed trial."""

import faulthandler
import math
import signal
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import FrameType

from nas.search.types import Job, Report, Scores, State, Tell, Work

GRACE_S = 5.0
"""Seconds past the time limit after which the process of a job that cannot be interrupted is killed."""

_LONGEST_ERROR = 300
_MEMORY_PHRASES = ("can't allocate memory", "not enough memory", "out of memory", "running low on memory")


class _TimeUp(BaseException):
    """The time limit has passed. A `BaseException`, so that a proxy's `except Exception` does not catch it."""


class _NoNumber(ValueError):
    """A score is NaN, infinite or no number."""


def carry_out(work: Work, job: Job, tell: Tell, *, time_limit: float | None) -> None:
    """Attempt a job and tell its reports, until it ends or is stopped."""
    with closing(attempt(work, job, time_limit=time_limit)) as reports:
        for report in reports:
            if tell(report):
                break


def attempt(work: Work, job: Job, *, time_limit: float | None) -> Generator[Report, None, None]:
    """Carry out a job: a running report per fidelity step, then exactly one ended report.

    The time limit covers the work alone, not the caller's decision between two steps. In a process's main thread a
    step is interrupted when time is up; in another thread, or within native code, once the step returns.

    Args:
        time_limit: seconds the work may take in all.

    Raises:
        KeyboardInterrupt: passes through, as does any `BaseException` that is not an `Exception`.
    """
    clock = _Clock(time_limit)
    count = 0
    try:
        with closing(_steps(work, job)) as steps:
            while (scores := _advance(steps, clock)) is not None:
                count += 1
                yield Report(job.number, State.running, plain(scores, count), clock.spent)
        yield Report(job.number, State.finished, seconds=clock.spent)
    except (_TimeUp, Exception) as error:
        yield Report(job.number, State.failed, seconds=clock.spent, error=failure_reason(error))


@contextmanager
def hard_limit(time_limit: float | None) -> Iterator[None]:
    """End this process if the body exceeds the limit within native code, where no signal handler can run."""
    if time_limit is None:
        yield
        return
    faulthandler.dump_traceback_later(time_limit + GRACE_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def out_of_time(limit: float) -> str:
    """The reason of a trial that exceeded its time limit."""
    return f"time limit of {limit:g} s exceeded"


def failure_reason(error: BaseException) -> str:
    """The reason of a failed trial: one line of bounded length."""
    text = str(error)
    if isinstance(error, (_TimeUp, _NoNumber)):
        return text
    kind = "out of memory" if _is_out_of_memory(error, text) else type(error).__name__
    return truncated(f"{kind}: {text}" if text else kind)


def truncated(text: str) -> str:
    """The text with white space collapsed to single spaces, and cut to `_LONGEST_ERROR` characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_ERROR else line[: _LONGEST_ERROR - 3] + "..."


def _is_out_of_memory(error: BaseException, text: str) -> bool:
    # by name and by phrase: torch's errors are recognised without importing torch
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(phrase in text.lower() for phrase in _MEMORY_PHRASES)


def _steps(work: Work, job: Job) -> Generator[Scores, None, None]:
    """The work as a generator, so that its start is timed and any iterator can be closed."""
    yield from work(job)


def _advance(steps: Iterator[Scores], clock: "_Clock") -> Scores | None:
    with clock.running():
        return next(steps, None)


def plain(scores: Scores, step: int) -> Scores:
    """The scores as Python floats, from numbers of any library.

    Raises:
        ValueError: a score is not a finite number.
    """
    numbers: dict[str, float] = {}
    for name, value in scores.items():
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError, RuntimeError, OverflowError):  # the last two from tensors and huge integers
            raise _NoNumber(f"step {step}: {name} is of type {type(value).__name__}, no number") from None
        if not math.isfinite(numbers[name]):
            raise _NoNumber(f"step {step}: {name} is {numbers[name]}")
    return numbers


@dataclass
class _Clock:
    """Sums the time of the work's steps and raises `_TimeUp` once it exceeds `limit`."""

    limit: float | None
    spent: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        start = time.monotonic()
        try:
            with self._alarm():
                yield
        finally:
            self.spent += time.monotonic() - start
        if self.limit is not None and self.spent > self.limit:
            raise self._time_up()

    @contextmanager
    def _alarm(self) -> Iterator[None]:
        """Interrupt the body once the remaining time has passed; restores an alarm set before."""
        if self.limit is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        handler = signal.signal(signal.SIGALRM, self._ring)
        timer = signal.setitimer(signal.ITIMER_REAL, max(self.limit - self.spent, 1e-3))
        try:
            try:
                yield
            finally:
                signal.setitimer(signal.ITIMER_REAL, *timer)
        finally:  # even if the alarm rings within the line above
            signal.signal(signal.SIGALRM, handler)

    def _ring(self, signal_number: int, frame: FrameType | None) -> None:
        raise self._time_up()

    def _time_up(self) -> _TimeUp:
        return _TimeUp(out_of_time(self.limit or 0.0))
