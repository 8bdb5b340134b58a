"""Real faults of a store's database: unreachable, locked, on a full disk, damaged."""

import itertools
import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection

from nas.search.store import Store, StoreError
from nas.search.store.study import Study
from nas.search.types import State, Trial
from tests.postgres import Server
from tests.unit.search.driver import PATIENCE_S, STEPS, start, wait_until
from tests.unit.search.toys import hold, release

TRIALS = 24
HELD_AFTER = 3
WRITTEN = 40


def check(store: Store, survivors: list[Trial]) -> None:
    trials = store.trials()
    assert [trial.number for trial in trials] == list(range(TRIALS))
    assert {(trial.state, len(trial.reports)) for trial in trials} == {(State.finished, STEPS)}
    assert [trials[trial.number] for trial in survivors] == survivors
    assert sorted(trial.told or 0 for trial in trials) == sorted({trial.told or 0 for trial in trials})


def ended(store: Store) -> list[Trial]:
    return [trial for trial in store.trials() if trial.state.ended]


def wait_until_paused(store: Store, drivers: int) -> list[Trial]:
    """Wait until all drivers are paused in a trial; return the ended trials. `release` resumes the drivers."""
    wait_until(lambda: len(store.running()) == drivers and len(ended(store)) >= HELD_AFTER)
    return ended(store)


@pytest.mark.parametrize("seconds", [6, pytest.param(30, marks=pytest.mark.slow)])
def test_a_search_waits_for_an_unreachable_database(postgres: Server, tmp_path: Path, seconds: int) -> None:
    """Neither of two drivers counts the other as dead."""
    url, log = postgres.database(), tmp_path / "log"
    hold(log, HELD_AFTER)
    drivers = [start("local", url, log, TRIALS, f"driver {i}", 1, stderr=subprocess.PIPE) for i in "ab"]
    store = Store(url)
    wait_until_paused(store, 2)
    store.close()
    postgres.stop()
    try:
        release(log)
        time.sleep(seconds)  # longer than the lease of a driver
        assert [driver.poll() for driver in drivers] == [None, None]
    finally:
        postgres.start()
    for driver in drivers:
        told = driver.communicate(timeout=PATIENCE_S)[1]
        assert driver.returncode == 0, told
        assert "trying again" in told
        assert "is back after" in told
    check(store, [])
    assert {trial.attempts for trial in store.trials()} == {1}
    evaluated = (tmp_path / "log").read_text().split()
    assert len(evaluated) == len(set(evaluated)) == TRIALS


def test_a_database_that_stays_unreachable_raises(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(postgres.database())
    monkeypatch.setattr("nas.search.store.database.PATIENCE_S", 0.5)
    postgres.stop()
    try:
        with pytest.raises(StoreError, match=r"was unreachable for \d s .*make it reachable"):
            store.trials()
    finally:
        postgres.start()
    assert store.trials() == []


def test_a_search_waits_while_another_process_locks_the_file(tmp_path: Path) -> None:
    file, log = tmp_path / "study.db", tmp_path / "log"
    hold(log, HELD_AFTER)
    driver = start("local", str(file), log, TRIALS, "driver", stderr=subprocess.PIPE)
    survivors = wait_until_paused(Store(str(file)), 1)
    with sqlite3.connect(file, timeout=20) as connection:
        connection.execute("BEGIN IMMEDIATE")
        release(log)
        assert driver.stderr
        first = next(line for line in driver.stderr if "locked" in line)  # logged after two seconds
        assert driver.poll() is None
    told = first + driver.communicate(timeout=PATIENCE_S)[1]
    assert driver.returncode == 0, told
    assert "database is locked; trying again" in told
    check(Store(str(file)), survivors)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 kB; `mount -o remount,size=...` enlarges it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"needs to mount a small file system: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)  # the test still has the file open


def test_a_full_disk_is_reported_and_keeps_ended_trials(small_disk: Path, tmp_path: Path) -> None:
    file, log = small_disk / "study.db", tmp_path / "log"
    hold(log, HELD_AFTER)
    driver = start("local", str(file), log, TRIALS, "driver", stderr=subprocess.PIPE)
    wait_until_paused(Store(str(file)), 1)
    with (small_disk / "hog").open("wb", buffering=0) as hog, suppress(OSError):
        while hog.write(bytes(4096)):
            pass
    release(log)
    told = driver.communicate(timeout=PATIENCE_S)[1]
    assert driver.returncode
    assert f"{file} cannot be written (database or disk is full): free disk space, then resume" in told.splitlines()[-1]
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    survivors = ended(Store(str(file)))
    assert 0 < len(survivors) < TRIALS
    assert start("local", str(file), tmp_path / "log", TRIALS, "driver").wait(PATIENCE_S) == 0
    check(Store(str(file)), survivors)
    assert max(trial.attempts for trial in Store(str(file)).trials()) <= 2


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as a killed driver leaves it: its last trials are only in the write-ahead log."""
    folder = tmp_path_factory.mktemp("written")
    store = Store(str(folder / "study.db"))
    for number in range(WRITTEN):
        if number == WRITTEN // 2:
            store.close()  # closing writes the log into the file
        store.create(key=str(number), trace={"depth": number}, genotype="{}" * 300, seed=0)
        store.report(number, {"ap": number / WRITTEN})
        store.end(number, State.finished, seconds=1.0)
    copy = tmp_path_factory.mktemp("copy")
    for name in ("study.db", "study.db-wal"):
        shutil.copy(folder / name, copy / name)
    return copy


def scribble(file: Path, rng: random.Random) -> None:
    with file.open("r+b") as bytes_:
        bytes_.seek(rng.randrange(file.stat().st_size))
        bytes_.write(rng.randbytes(rng.randrange(1, 200)))


def truncate(file: Path, rng: random.Random) -> None:
    os.truncate(file, rng.randrange(file.stat().st_size))


def trials_or_error(file: Path) -> list[Trial] | str:
    """The trials of a store that may be damaged, or its error message."""
    try:
        store = Store(str(file))
        trials = store.trials()
        assert [trial.number for trial in trials] == list(range(store.count))
        assert sorted(t.told for t in store.history() if t.told is not None) == list(range(len(store.history())))
    except StoreError as error:
        return str(error)
    return trials


@pytest.mark.parametrize("harm", [scribble, truncate])
@pytest.mark.parametrize("seed", range(12))
def test_intact_entries_of_a_damaged_log_are_read(
    written: Path, tmp_path: Path, harm: Callable[[Path, random.Random], None], seed: int
) -> None:
    """SQLite's log has checksums: every transaction before the damage is read whole."""
    for file in written.iterdir():
        shutil.copy(file, tmp_path / file.name)
    harm(tmp_path / "study.db-wal", random.Random(seed))
    trials = trials_or_error(tmp_path / "study.db")
    assert isinstance(trials, list)
    assert WRITTEN // 2 <= len(trials) <= WRITTEN
    for trial in trials:
        whole = trial.number / WRITTEN, State.finished
        last = len(trials) - 1
        assert ((trial.scores or {}).get("ap"), trial.state) == whole or (
            trial.number == last and not trial.state.ended
        )
    with Store(str(tmp_path / "study.db"))._database.writing.begin():
        pass  # the store is still writable


@pytest.mark.parametrize("harm", [scribble, truncate])
@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_file_is_refused_or_has_all_trials(
    written: Path, tmp_path: Path, harm: Callable[[Path, random.Random], None], seed: int
) -> None:
    file = tmp_path / "study.db"
    for name in ("study.db", "study.db-wal"):
        shutil.copy(written / name, tmp_path / name)
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    harm(file, random.Random(seed))
    found = trials_or_error(file)
    if isinstance(found, str):
        assert str(file) in found
        assert "put a copy of it back" in found or "name a store" in found
    else:
        assert len(found) == WRITTEN


def test_a_driver_suspended_within_a_write_does_not_block_others_for_ever(
    postgres: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server ends an idle transaction; the suspended driver then retries it."""
    settings = {"options": "-c lock_timeout=300 -c idle_in_transaction_session_timeout=1500"}
    monkeypatch.setattr("nas.search.store.database._POSTGRES", settings)
    url = postgres.database()
    suspended, other = Store(url), Store(url)
    calls, ask = itertools.count(), Study.ask

    def ask_after_a_pause(study: Study, connection: Connection, slot: int, **what: bool) -> None:
        if next(calls) == 0:
            assert other.create(key="a", trace={}, genotype="{}", seed=0).number == 0
        ask(study, connection, slot, **what)

    monkeypatch.setattr(Study, "ask", ask_after_a_pause)
    assert suspended.create(key="b", trace={}, genotype="{}", seed=0).number == 1
    assert "lock timeout" in caplog.text
    assert "idle-in-transaction timeout" in caplog.text
    assert [(trial.number, trial.key) for trial in other.trials()] == [(0, "a"), (1, "b")]
    assert other.asked == 2
