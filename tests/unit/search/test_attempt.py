"""Every failure of a trial becomes its error message."""

import json
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from nas.search.runners.attempt import attempt, failure_reason
from nas.search.types import Job, Report, Scores, State, Work
from tests.unit.search.toys import FakeTime, misbehave


def reports_of(work: Work, what: str = "", time_limit: float | None = None) -> list[Report]:
    return list(attempt(work, Job(7, what, 0), time_limit=time_limit))


def test_an_attempt_reports_each_step_and_one_end() -> None:
    *steps, end = reports_of(misbehave)
    assert [step.scores for step in steps] == [{"ap": 1.0}, {"ap": 3.0}]
    assert {step.state for step in steps} == {State.running}
    assert (end.state, end.error, end.number) == (State.finished, None, 7)


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("nan", "step 2: ap is nan"),
        ("raise", "KeyError: 'no such\\nlevel'"),
        ("memory", "out of memory"),
        ("time is up", "time limit of 1000 s exceeded"),
    ],
)
def test_a_failed_attempt_names_its_error(what: str, error: str) -> None:
    *steps, end = reports_of(misbehave, what, time_limit=1000)
    assert [step.state for step in steps] == [State.running]
    assert (end.state, end.error) == (State.failed, error)


@pytest.mark.parametrize("what", ["hang", "swallow"])
def test_the_time_limit_interrupts_work(what: str) -> None:
    end = reports_of(misbehave, what, time_limit=0.1)[-1]
    assert (end.state, end.error) == (State.failed, "time limit of 0.1 s exceeded")


def test_scores_of_any_number_type_become_floats() -> None:
    def work(job: Job) -> Iterator[Any]:
        yield {"ap": np.float32(0.5), "loss": torch.tensor(2), "n": 3}

    scores = reports_of(work)[0].scores
    assert json.dumps(scores) == '{"ap": 0.5, "loss": 2.0, "n": 3.0}'


@pytest.mark.parametrize(("value", "kind"), [("high", "str"), (None, "NoneType"), ([0.5], "list")])
def test_a_score_that_is_not_a_number_fails(value: object, kind: str) -> None:
    def work(job: Job) -> Iterator[Any]:
        yield {"ap": value}

    (end,) = reports_of(work)
    assert (end.state, end.error) == (State.failed, f"step 1: ap is of type {kind}, no number")


def test_an_out_of_memory_error_quotes_torch() -> None:
    def work(job: Job) -> Iterator[Scores]:
        yield {"ap": torch.empty(10**15).sum().item()}

    (end,) = reports_of(work)
    assert end.error is not None
    assert end.error.startswith("out of memory: ")
    assert "you tried to allocate 4000000000000000 bytes" in end.error


def test_an_error_before_the_first_step_fails_the_attempt() -> None:
    def work(job: Job) -> Iterator[Scores]:
        raise ValueError("malformed")

    assert [r.error for r in reports_of(work)] == ["ValueError: malformed"]


def test_an_error_message_has_a_limited_length() -> None:
    class OutOfMemoryError(RuntimeError):
        """Has the name of torch's exception."""

    assert failure_reason(OutOfMemoryError("a\n  b")) == "out of memory: a b"
    assert len(failure_reason(ValueError("x" * 10_000))) == 300


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr("nas.search.runners.attempt.time", fake)
    return fake


def test_the_time_limit_is_checked_between_steps_in_a_thread(clock: FakeTime) -> None:
    def work(job: Job) -> Iterator[Scores]:
        for _ in range(5):
            clock.now += 3
            yield {"ap": 0.0}

    found: list[Report] = []
    thread = threading.Thread(target=lambda: found.extend(reports_of(work, time_limit=4)))
    thread.start()
    thread.join()
    assert [r.state for r in found] == [State.running, State.failed]


def test_the_time_limit_excludes_the_caller_s_time(clock: FakeTime) -> None:
    reports = attempt(misbehave, Job(0, "", 0), time_limit=1000)
    for _ in range(2):
        next(reports)
        clock.now += 1500
    assert next(reports).state is State.finished


def test_an_attempt_restores_the_alarm_handler() -> None:
    before = signal.getsignal(signal.SIGALRM)
    reports_of(misbehave, "hang", time_limit=0.05)
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_keyboard_interrupt_is_raised() -> None:
    def work(job: Job) -> Iterator[Scores]:
        raise KeyboardInterrupt
        yield {}

    with pytest.raises(KeyboardInterrupt):
        reports_of(work)


def test_closing_the_reports_closes_the_work() -> None:
    closed = []

    def work(job: Job) -> Iterator[Scores]:
        try:
            while True:
                yield {"ap": 0.0}
        finally:
            closed.append(True)

    reports = attempt(work, Job(0, "", 0), time_limit=None)
    next(reports)
    reports.close()
    assert closed
