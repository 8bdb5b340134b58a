"""SIGKILL and SIGINT of a real driver at random moments, then another driver: exactly the trials asked for."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from nas.search.store import Store
from nas.search.types import State

TRIALS = 24


def start(place: str, folder: Path) -> subprocess.Popen[bytes]:
    here = Path(__file__).parent
    arguments = [place, f"sqlite:///{folder}/study.db", str(folder / "log"), str(TRIALS)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(here)])}
    return subprocess.Popen([sys.executable, here / "driver.py", *arguments], env=environment)


def ended(folder: Path) -> int:
    if not (folder / "study.db").exists():
        return 0
    return sum(trial.state.ended for trial in Store(f"sqlite:///{folder}/study.db").trials())


def kill_after_some_trials(place: str, folder: Path, kill: signal.Signals, rng: random.Random) -> None:
    """Wait for a few more trials to end, so that every driver gets to work; then kill at any moment."""
    driver = start(place, folder)
    target = ended(folder) + rng.randrange(1, 6)
    while ended(folder) < target and driver.poll() is None:
        time.sleep(0.1)
    time.sleep(rng.random() * 0.1)
    driver.send_signal(kill)
    assert driver.wait(20) == -kill


def test_a_local_search_survives_its_driver(tmp_path: Path) -> None:
    kills = [signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGKILL]
    no_trial_is_lost_and_none_counted_twice("local", kills, tmp_path)


@pytest.mark.ray
def test_a_ray_search_survives_its_driver(ray_address: str, tmp_path: Path) -> None:
    no_trial_is_lost_and_none_counted_twice(ray_address, [signal.SIGKILL, signal.SIGINT], tmp_path)


def no_trial_is_lost_and_none_counted_twice(place: str, kills: list[signal.Signals], tmp_path: Path) -> None:
    rng = random.Random(5)
    for kill in kills:
        kill_after_some_trials(place, tmp_path, kill, rng)
    survivors = {t.number: t for t in Store(str(tmp_path / "study.db")).trials() if t.state.ended}
    assert 0 < len(survivors) < TRIALS
    assert start(place, tmp_path).wait(60) == 0
    store = Store(str(tmp_path / "study.db"))
    trials = store.trials()
    assert [trial.number for trial in trials] == list(range(TRIALS))
    assert {trial.state for trial in trials} == {State.finished}
    assert {number: trials[number] for number in survivors} == survivors
    assert all(len(trial.reports) == 3 for trial in trials)
    evaluated = Counter((tmp_path / "log").read_text().split())
    assert set(evaluated) == {trial.key for trial in trials}
    assert sum(evaluated.values()) - TRIALS <= len(kills) * 4, "only what ran when a driver died runs again"
