"""Several runs that share one study."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import Server
from tests.support import nas

TINY = (
    *("--runner", "local", "--proxy.steps", "4", "--proxy.rungs", "2", "--proxy.scale.head-depth", "1"),
    *("--scheduler.method", "none"),
    *("--digits.train-images", "16", "--digits.val-images", "8"),
)


def inspect(run: str, cwd: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads(nas("inspect", run, "--json", cwd=cwd).stdout)
    return document


@pytest.fixture(scope="module")
def team(folder: Path) -> Path:
    """A folder with a store, and a finished run of a study of two trials."""
    nas("search", "--store", "team.db", "--study", "boxes", "--trials", "2", "--out", "first", *TINY, cwd=folder)
    return folder


def test_run_with_a_store_url_has_no_own_store(team: Path) -> None:
    assert (team / "team.db").exists()
    assert not (team / "first" / "study.db").exists()
    assert json.loads((team / "first" / "config.json").read_text())["store"] == f"sqlite:///{team}/team.db"
    nas("draw", "first#1", "--out", "g.svg", cwd=team)


def test_same_command_joins_the_study(team: Path) -> None:
    command = ["search", "--store", "team.db", "--study", "boxes", "--trials", "2", "--out", "second", *TINY]
    assert f"trials   {team}/team.db" in nas(*command, cwd=team).stdout.replace("\n", "")
    assert inspect("first", team) == inspect("second", team)
    assert (team / "first" / "best.json").read_bytes() == (team / "second" / "best.json").read_bytes()


def test_study_of_version_0_1_is_joined(team: Path) -> None:
    """Version 0.1 stored the settings of every proxy and strategy, and the proxy in use under `by`."""
    with contextlib.closing(sqlite3.connect(team / "team.db")) as store, store:
        (kept,) = store.execute("select config from studies where name = 'boxes'").fetchone()
        config = json.loads(kept)
        assert config["proxy"].pop("kind") == "short_train"
        config |= {"by": "short_train", "zero_cost": {"scores": ["naswot"]}, "cost": {"image_size": 96}}
        config["strategy"] |= {"population": 16, "tournament": 8, "crossover": 0.0}
        store.execute("update studies set config = ?", (json.dumps(config),))
    command = ["search", "--store", "team.db", "--study", "boxes", "--trials", "2", "--out", "third", *TINY]
    nas(*command, cwd=team)
    assert inspect("first", team) == inspect("third", team)


def test_different_search_on_a_study_is_refused_and_creates_no_run(team: Path) -> None:
    flags = ("--store", "team.db", "--study", "boxes", "--trials", "2", "--out", "other", "--time-limit", "77")
    error = nas("search", *flags, "--seed", "1", "--strategy.name", "random", *TINY, cwd=team, code=2).stderr
    assert "study 'boxes' is another search: seed is 0 there, 1 here; strategy.name is" in error
    assert not (team / "other").exists()


def test_study_flag_needs_a_store(team: Path) -> None:
    assert "give --store as well" in nas("search", "--study", "boxes", *TINY, cwd=team, code=2).stderr


def test_unreachable_store_is_refused_at_once(team: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:9/nowhere"
    error = nas("search", "--store", url, "--out", "lost", *TINY, cwd=team, code=2).stderr
    assert "cannot be opened as a store (connection failed" in error
    assert not (team / "lost").exists()


def test_two_drivers_share_a_study(postgres: Server, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "experiments.cli", "search", "--store", postgres.database(), "--study", "team"]
    runs = [
        subprocess.Popen([*command, "--trials", "4", "--out", name, *TINY], cwd=tmp_path, stdout=subprocess.DEVNULL)
        for name in ("here", "there")
    ]
    assert [run.wait(300) for run in runs] == [0, 0]
    document = inspect("here", tmp_path)
    assert document == inspect("there", tmp_path)
    trials = document["trials"]
    assert isinstance(trials, list)
    assert [(trial["number"], trial["state"]) for trial in trials] == [(n, "finished") for n in range(4)]
    assert len({trial["key"] for trial in trials}) == 4
