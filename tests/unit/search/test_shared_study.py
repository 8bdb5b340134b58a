"""Drivers in processes of their own that share a study: exactly the trials asked for, none twice."""

import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy

from nas.search.lease import MOST_MISSED
from nas.search.store import Store
from nas.search.store.schema import drivers
from nas.search.types import State, Trial
from tests.unit.search.driver import PATIENCE_S, STEPS, start, until
from tests.unit.search.toys import hold, let_go

TRIALS = 24

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def drive(url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts drivers by name."""
    started: list[subprocess.Popen[str]] = []

    def start_one(name: str, trials: int = TRIALS, beat_s: float = 0.1) -> subprocess.Popen[str]:
        started.append(start("local", url, tmp_path / "log", trials, name, beat_s, stderr=subprocess.PIPE))
        return started[-1]

    yield start_one
    for driver in started:
        driver.kill()
        driver.wait()
        assert driver.stderr
        driver.stderr.close()


def check(url: str, log: Path) -> list[Trial]:
    """The study has its trials, each evaluated once, and once more for each time that it was begun anew."""
    store = Store(url)
    trials = store.trials()
    assert [trial.number for trial in trials] == list(range(TRIALS))
    assert {trial.state for trial in trials} == {State.finished}
    assert all(len(trial.reports) == STEPS for trial in trials)
    evaluated = Counter(log.read_text().split())
    assert set(evaluated) == {trial.key for trial in trials}
    assert all(evaluated[trial.key] <= trial.attempts for trial in trials)
    told = [trial.told for trial in store.history()]
    assert told == list(range(len(told)))
    return trials


def test_together_they_end_with_the_trials_asked_for(url: str, drive: Start, tmp_path: Path) -> None:
    count = 3
    hold(tmp_path / "log")
    together = [drive(f"driver {i}", beat_s=2) for i in range(count)]  # ten seconds without life are death
    until(lambda: len(Store(url).running()) == count)
    let_go(tmp_path / "log")
    assert [driver.wait(PATIENCE_S) for driver in together] == [0] * count
    trials = check(url, tmp_path / "log")
    assert {trial.slot for trial in trials} == set(range(count))
    assert {trial.attempts for trial in trials} == {1}


def test_a_dead_drivers_trial_is_anothers(url: str, drive: Start, tmp_path: Path) -> None:
    first = drive("first")
    lost = suspend(first, url)  # dies in the midst of a trial
    second = drive("second")
    until(lambda: beats(url, 1) > 0)
    first.kill()
    assert second.wait(PATIENCE_S) == 0
    trials = check(url, tmp_path / "log")
    assert (trials[lost.number].slot, trials[lost.number].attempts) == (1, 2)


def beats(url: str, slot: int) -> int:
    with Store(url)._database.reading.connect() as connection:
        return connection.scalar(sqlalchemy.select(drivers.c.beats).where(drivers.c.slot == slot)) or 0


def suspend(driver: subprocess.Popen[str], url: str) -> Trial:
    """Suspend a driver within a trial and not within a write, at which all others would have to wait for it."""
    while True:
        until(lambda: len(Store(url).running()) == 1)
        driver.send_signal(signal.SIGSTOP)
        with suppress(sqlalchemy.exc.OperationalError):
            Store(url).beat()
            if running := Store(url).running():
                return running[0]
        driver.send_signal(signal.SIGCONT)


def test_who_was_taken_for_dead_cannot_end_what_another_has_begun(url: str, drive: Start, tmp_path: Path) -> None:
    first = drive("first")
    log, store = tmp_path / "log", Store(url)
    lost = suspend(first, url)
    times = log.read_text().split().count(lost.key) if log.exists() else 0
    hold(log)
    second = drive("second")
    until(lambda: beats(url, 1) > MOST_MISSED + 1)  # by now it has seen the first stand still
    hold(log, times + 1, lost.key)
    until(lambda: store.trials()[lost.number].state.ended)
    first.send_signal(signal.SIGCONT)
    until(lambda: any(trial.slot == 0 for trial in store.running()))
    let_go(log)
    assert [driver.wait(PATIENCE_S) for driver in (first, second)] == [0, 0]
    trials = check(url, tmp_path / "log")
    assert (trials[lost.number].slot, trials[lost.number].attempts) == (1, 2)
    assert {trial.slot for trial in trials} == {0, 1}, "it takes part again"
    assert f"trial {lost.number} of study 'default' was restarted by the driver in slot 1" in first.communicate()[1]


def test_who_has_nothing_left_to_begin_waits_for_the_others(url: str, drive: Start, tmp_path: Path) -> None:
    """The last trial is its whose driver dies at it."""
    hold(tmp_path / "log")
    first = drive("first", trials=1)
    until(lambda: len(Store(url).running()) == 1)
    first.kill()
    store = Store(url)
    let_go(tmp_path / "log")
    second = drive("second", trials=1)
    assert second.wait(PATIENCE_S) == 0
    (trial,) = store.trials()
    assert (trial.state, trial.slot, trial.attempts) == (State.finished, 1, 2)
    assert "waiting for 1 running trials of other drivers" in second.communicate()[1]
