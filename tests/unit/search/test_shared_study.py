"""Drivers in separate processes share a study and evaluate exactly the requested trials, each once."""

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
from tests.unit.search.driver import PATIENCE_S, STEPS, start, wait_until
from tests.unit.search.toys import hold, release

TRIALS = 24

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def drive(url: str, tmp_path: Path) -> Iterator[Start]:
    """A function that starts a driver by name."""
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
    """Check that all trials finished and that each was evaluated at most once per attempt."""
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


def test_several_drivers_end_with_the_requested_trials(url: str, drive: Start, tmp_path: Path) -> None:
    count = 3
    hold(tmp_path / "log")
    together = [drive(f"driver {i}", beat_s=2) for i in range(count)]  # a driver counts as dead after ten seconds
    wait_until(lambda: len(Store(url).running()) == count)
    release(tmp_path / "log")
    assert [driver.wait(PATIENCE_S) for driver in together] == [0] * count
    trials = check(url, tmp_path / "log")
    assert {trial.slot for trial in trials} == set(range(count))
    assert {trial.attempts for trial in trials} == {1}


def test_another_driver_restarts_a_dead_driver_s_trial(url: str, drive: Start, tmp_path: Path) -> None:
    first = drive("first")
    lost = suspend(first, url)  # the driver dies during a trial
    second = drive("second")
    wait_until(lambda: beats(url, 1) > 0)
    first.kill()
    assert second.wait(PATIENCE_S) == 0
    trials = check(url, tmp_path / "log")
    assert (trials[lost.number].slot, trials[lost.number].attempts) == (1, 2)


def beats(url: str, slot: int) -> int:
    with Store(url)._database.reading.connect() as connection:
        return connection.scalar(sqlalchemy.select(drivers.c.beats).where(drivers.c.slot == slot)) or 0


def suspend(driver: subprocess.Popen[str], url: str) -> Trial:
    """Suspend a driver during a trial, but not during a write, which would block the other drivers."""
    while True:
        wait_until(lambda: len(Store(url).running()) == 1)
        driver.send_signal(signal.SIGSTOP)
        with suppress(sqlalchemy.exc.OperationalError):
            Store(url).beat()
            if running := Store(url).running():
                return running[0]
        driver.send_signal(signal.SIGCONT)


def test_a_driver_presumed_dead_cannot_end_a_trial_restarted_elsewhere(url: str, drive: Start, tmp_path: Path) -> None:
    first = drive("first")
    log, store = tmp_path / "log", Store(url)
    lost = suspend(first, url)
    times = log.read_text().split().count(lost.key) if log.exists() else 0
    hold(log)
    second = drive("second")
    wait_until(lambda: beats(url, 1) > MOST_MISSED + 1)  # by now the first driver counts as dead
    hold(log, times + 1, lost.key)
    wait_until(lambda: store.trials()[lost.number].state.ended)
    first.send_signal(signal.SIGCONT)
    wait_until(lambda: any(trial.slot == 0 for trial in store.running()))
    release(log)
    assert [driver.wait(PATIENCE_S) for driver in (first, second)] == [0, 0]
    trials = check(url, tmp_path / "log")
    assert (trials[lost.number].slot, trials[lost.number].attempts) == (1, 2)
    assert {trial.slot for trial in trials} == {0, 1}, "the first driver runs trials again"
    assert f"trial {lost.number} of study 'default' was restarted by the driver in slot 1" in first.communicate()[1]


def test_a_driver_without_trials_left_waits_for_the_running_ones(url: str, drive: Start, tmp_path: Path) -> None:
    """The waiting driver restarts the last trial after the death of its driver."""
    hold(tmp_path / "log")
    first = drive("first", trials=1)
    wait_until(lambda: len(Store(url).running()) == 1)
    first.kill()
    store = Store(url)
    release(tmp_path / "log")
    second = drive("second", trials=1)
    assert second.wait(PATIENCE_S) == 0
    (trial,) = store.trials()
    assert (trial.state, trial.slot, trial.attempts) == (State.finished, 1, 2)
    assert "waiting for 1 running trials of other drivers" in second.communicate()[1]
