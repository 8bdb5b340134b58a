"""A driver is killed or interrupted at random moments; its successor ends with exactly the requested trials."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from nas.search.store import MOST_ATTEMPTS, Store
from nas.search.types import State, Trial
from tests.unit.search import driver
from tests.unit.search.toys import held, hold, release

LIVES = 20
CALLS = 50_000
"""Number of function calls in which a driver opens its store, joins the study and evaluates a few trials."""


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/study.db"


def ended(folder: Path) -> dict[int, Trial]:
    store = Store(url(folder))
    return {trial.number: trial for trial in store.trials() if trial.state.ended}


def check(folder: Path, count: int, survivors: dict[int, Trial], lost: int) -> None:
    """Check that all `count` trials ended once, and that at most `lost` evaluations ran again."""
    assert 0 < len(survivors) < count
    store = Store(url(folder))
    trials = store.trials()
    assert [trial.number for trial in trials] == list(range(count))
    assert {number: trials[number] for number in survivors} == survivors
    finished = [trial for trial in trials if trial.state is State.finished]
    assert all(len(trial.reports) == driver.STEPS for trial in finished)
    for number in set(range(count)) - {trial.number for trial in finished}:
        assert trials[number].error == f"its driver died {MOST_ATTEMPTS} times while it ran"
    assert max(trial.attempts for trial in trials) <= MOST_ATTEMPTS
    evaluated = Counter((folder / "log").read_text().split())
    assert {trial.key for trial in finished} <= set(evaluated) <= {trial.key for trial in trials}
    assert evaluated.total() - len(evaluated) <= lost, "only trials that ran at a driver's death run again"
    told = [trial.told for trial in trials]
    assert None not in told
    assert len(set(told)) == len(told)


def test_a_search_survives_twenty_deaths_of_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver dies while it opens the store, joins the study, runs a trial, or is between two trials."""
    rng, trials = random.Random(5), 80
    server = multiprocessing.get_context("forkserver")  # forked processes need not import the packages again
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    server.set_forkserver_preload(["tests.unit.search.driver"])
    arguments = "local", url(tmp_path), str(tmp_path / "log"), str(trials), "driver"
    for life in range(LIVES):
        by = signal.SIGINT if life % 7 == 6 else signal.SIGKILL
        process = server.Process(target=driver.run_until_killed, args=(rng.randrange(1, CALLS), by, *arguments))
        process.start()
        process.join(driver.PATIENCE_S)
        assert process.exitcode, "the driver ended before its signal"
    survivors = ended(tmp_path)
    last = server.Process(target=driver.main, args=arguments)
    last.start()
    last.join(driver.PATIENCE_S)
    assert last.exitcode == 0
    check(tmp_path, trials, survivors, lost=LIVES)


@pytest.mark.ray
def test_a_ray_search_survives_deaths_of_its_driver(ray_address: str, tmp_path: Path) -> None:
    rng, trials = random.Random(5), 24
    kills = [signal.SIGKILL, signal.SIGINT]

    def start() -> subprocess.Popen[str]:
        return driver.start(ray_address, url(tmp_path), tmp_path / "log", trials, "driver")

    for kill in kills:
        there = len(ended(tmp_path)) if (tmp_path / "study.db").exists() else 0
        hold(tmp_path / "log", there + rng.randrange(1, 6))
        process = start()
        driver.wait_until(lambda: held(str(tmp_path / "log")))
        driver.wait_until(lambda there=there: len(ended(tmp_path)) > there)  # type: ignore[misc]
        process.send_signal(kill)
        assert process.wait(driver.PATIENCE_S) == -kill
        release(tmp_path / "log")
    survivors = ended(tmp_path)
    assert start().wait(driver.PATIENCE_S) == 0
    check(tmp_path, trials, survivors, lost=4 * len(kills))
