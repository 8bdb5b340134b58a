"""The contract of every store, on SQLite, on PostgreSQL, and on the empty database at NAS_TEST_STORE_URL."""

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nas.search.store import KeyClaimed, Store, StoreError, StudyFull, TakenOver
from nas.search.types import State
from tests.postgres import Server

OPTIONAL_URLS = [url for url in [os.environ.get("NAS_TEST_STORE_URL")] if url]
TRACE = {"depth": 3, "offsets": (1, -1), "fuse": "asff", "msfm": True, "ratio": 0.5}
ORPHANED = 2

Open = Callable[[], Store]


@pytest.fixture(params=["sqlite", "postgres", *OPTIONAL_URLS])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        server: Server = request.getfixturevalue("postgres")
        return server.database()
    return f"sqlite:///{tmp_path / 'study.db'}" if request.param == "sqlite" else request.param


@pytest.fixture
def reopen(url: str) -> Iterator[Open]:
    """A function that reopens the same, initially empty, study."""
    study = uuid.uuid4().hex
    stores: list[Store] = []

    def again() -> Store:
        stores.append(Store(url, study))
        return stores[-1]

    yield again
    for store in stores:
        store.close()


def add(store: Store, key: str) -> int:
    return store.create(key=key, trace=TRACE, genotype="{}", seed=3).number


def fill(store: Store) -> None:
    """Two trials that ended in the order 1, 0, one left running, and three repeats between them."""
    for key in ("a", "b", "c"):
        add(store, key)
    store.report(0, {"ap": 0.1})
    store.end(1, State.failed, seconds=1.5, error="KeyError: 'x'")
    store.repeat(1, {"depth": 1})
    store.report(0, {"ap": 0.2, "gmacs": 3})
    store.end(0, State.stopped, seconds=2.0)
    store.repeat(0, {"depth": 2})
    store.repeat(ORPHANED, {"depth": 3})


def test_a_store_keeps_every_field(reopen: Open) -> None:
    fill(reopen())
    first, second, third = reopen().trials()
    assert (first.number, first.state, first.key, first.genotype, first.seed) == (0, State.stopped, "a", "{}", 3)
    assert first.trace == TRACE
    assert first.reports == ({"ap": 0.1}, {"ap": 0.2, "gmacs": 3})
    assert first.seconds == 2.0
    assert (second.state, second.error, second.scores) == (State.failed, "KeyError: 'x'", None)
    assert (third.state, third.reports, third.seconds) == (State.running, (), None)


def test_history_has_the_order_of_tells(reopen: Open) -> None:
    fill(reopen())
    told = [(trial.number, trial.trace.get("depth")) for trial in reopen().history()]
    assert told == [(1, 3), (1, 1), (0, 3), (0, 2)]


def test_asked_counts_trials_and_repeats(reopen: Open) -> None:
    assert reopen().asked == 0
    fill(reopen())
    assert reopen().asked == 6


def test_asked_counts_rejected_proposals_too(reopen: Open) -> None:
    """A strategy's randomness is indexed by the number of earlier proposals, rejected ones included."""
    fill(reopen())
    for _ in range(3):
        reopen().reject()
    store = reopen()
    assert (store.rejected, store.asked) == (3, 9)
    assert (len(store.trials()), len(store.history())) == (3, 4)


def test_a_trial_is_found_by_its_key(reopen: Open) -> None:
    store = reopen()
    fill(store)
    assert store.find("b") == store.trials()[1]
    assert store.find("z") is None


def test_a_key_is_claimed_once_and_numbers_have_no_gaps(reopen: Open) -> None:
    store = reopen()
    add(store, "a")
    with pytest.raises(KeyClaimed, match="key a"):
        add(store, "a")
    assert add(store, "b") == 1


def test_a_trial_ends_once(reopen: Open) -> None:
    store = reopen()
    fill(store)
    for change in (
        lambda: store.end(0, State.finished, seconds=1.0),
        lambda: store.report(0, {"ap": 1.0}),
        lambda: store.restart(store.trials()[0]),
    ):
        with pytest.raises(StoreError, match=r"trial 0 .* has ended \(stopped\)"):
            change()
    assert [trial.number for trial in store.history()] == [1, 1, 0, 0]


def test_unknown_trials_are_refused(reopen: Open) -> None:
    store = reopen()
    with pytest.raises(StoreError, match="no trial 5"):
        store.report(5, {"ap": 1.0})
    with pytest.raises(StoreError, match="no trial 5"):
        store.repeat(5, TRACE)
    assert store.asked == 0
    add(store, "a")
    with pytest.raises(StoreError, match="cannot end as running"):
        store.end(0, State.running, seconds=1.0)


def test_a_restart_drops_the_reports(reopen: Open) -> None:
    store = reopen()
    add(store, "a")
    store.report(0, {"ap": 0.1})
    trial = reopen().restart(store.trials()[0])
    assert (trial.number, trial.state, trial.reports) == (0, State.running, ())


def test_drivers_share_a_study(reopen: Open) -> None:
    def drive(name: int) -> list[int]:
        store, claimed = join(reopen(), f"driver {name}"), []
        for key in range(30):
            try:
                number = add(store, str(key))
            except KeyClaimed:
                continue
            store.end(number, State.finished, seconds=float(name))
            claimed.append(number)
        return claimed

    reopen()
    with ThreadPoolExecutor(3) as pool:
        numbers = sorted(number for claimed in pool.map(drive, range(3)) for number in claimed)
    assert numbers == list(range(30))
    assert len(reopen().history()) == 30
    assert len({trial.key for trial in reopen().trials()}) == 30


def join(store: Store, name: str, **config: object) -> Store:
    store.join(name, {"space": "joint", "seed": 0} | config)
    return store


def test_a_driver_keeps_its_slot_and_its_count(reopen: Open) -> None:
    first, second = join(reopen(), "first"), join(reopen(), "second")
    assert (first.slot, second.slot) == (0, 1)
    add(first, "a")
    add(second, "b")
    second.repeat(0, TRACE)
    again = join(reopen(), "second")
    assert (again.slot, again.asked, join(reopen(), "first").asked) == (1, 2, 1)
    assert [trial.slot for trial in again.trials()] == [0, 1]
    assert again.count == 2


def test_drivers_of_a_study_must_have_equal_configurations(reopen: Open) -> None:
    join(reopen(), "first", proxy={"steps": 4})
    join(reopen(), "first", proxy={"steps": 8})  # the only driver may change its configuration
    with pytest.raises(StoreError, match=r"another search: proxy.steps is 8 there, 4 here; seed is 0 there, 1 here\."):
        join(reopen(), "second", proxy={"steps": 4}, seed=1)
    join(reopen(), "second", proxy={"steps": 8})
    with pytest.raises(StoreError, match=r"space is 'joint' there, 'fpn' here"):
        join(reopen(), "first", proxy={"steps": 8}, space="fpn")


def test_a_study_has_a_maximum_number_of_trials(reopen: Open) -> None:
    store = reopen()
    store.create(key="a", trace=TRACE, genotype="{}", seed=0, most=1)
    with pytest.raises(StudyFull, match="has its 1 trials"):
        store.create(key="b", trace=TRACE, genotype="{}", seed=0, most=1)
    assert (store.count, store.asked) == (1, 1)


def test_a_trial_belongs_to_the_driver_that_started_it_last(reopen: Open) -> None:
    first, second = join(reopen(), "first"), join(reopen(), "second")
    add(first, "a")
    (orphan,) = second.running()
    taken = second.restart(orphan)
    assert (taken.slot, taken.attempts) == (1, 2)
    for change in (
        lambda: first.report(0, {"ap": 0.5}),
        lambda: first.end(0, State.finished, seconds=1.0),
        lambda: first.restart(orphan),
    ):
        with pytest.raises(TakenOver, match=r"trial 0 .* was restarted by the driver in slot 1 \(attempt 2\)"):
            change()
    assert second.end(0, State.stopped, seconds=2.0).told == 0
    with pytest.raises(TakenOver):
        first.end(0, State.finished, seconds=1.0)
    assert [(trial.state, trial.seconds, trial.reports) for trial in first.history()] == [(State.stopped, 2.0, ())]


def test_a_trial_has_a_limited_number_of_attempts(reopen: Open) -> None:
    trial = reopen().create(key="a", trace=TRACE, genotype="{}", seed=0)
    for attempts in (2, 3):
        trial = reopen().restart(trial)
        assert (trial.attempts, trial.state) == (attempts, State.running)
    failed = reopen().restart(trial)
    assert (failed.attempts, failed.state) == (3, State.failed)
    assert failed.error == "its driver died 3 times while it ran"


def test_an_orderly_release_does_not_count_as_an_attempt(reopen: Open) -> None:
    store = reopen()
    add(store, "a")
    add(store, "b")
    for _ in range(5):
        dead = store.running()
        store.restart(dead[0])
        store.release(but=dead)
    assert [trial.attempts for trial in store.running()] == [1, 1]


def test_history_continues_after_the_last_read_trial(reopen: Open) -> None:
    fill(reopen())
    whole = reopen().history()
    assert [trial.told for trial in whole] == [0, 1, 2, 3]
    for since in range(5):
        assert reopen().history(since) == whole[since:]


def test_a_heartbeat_returns_the_pulse_of_every_driver(reopen: Open) -> None:
    first, second = join(reopen(), "first"), join(reopen(), "second")
    before = first.beat()
    after = first.beat()
    assert set(after) == {0, 1}
    assert after[0] != before[0]
    assert after[1] == before[1]
    add(second, "a")
    assert first.beat()[1] != after[1]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_that_loses_its_connection_is_written_once(
    reopen: Open, moment: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A driver that loses its connection cannot know whether the commit succeeded."""
    store = reopen()
    dialect = store._database.writing.dialect
    commit, disconnected = dialect.do_commit, dialect.loaded_dbapi.OperationalError("database is locked, or away")
    tries = itertools.count(1)

    def commit_and_disconnect(connection: Any) -> None:
        again = next(tries) % 2 == 0
        if again or moment == "after":
            commit(connection)
        if not again:
            raise disconnected

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", commit_and_disconnect)
        add(store, "a")
        add(store, "b")
        store.report(0, {"ap": 0.1})
        restarted = store.restart(store.running()[1])
        store.end(0, State.finished, seconds=1.0)
        told = store.repeat(0, {"depth": 1})
        store.repeat(1, {"depth": 1})
    assert restarted.attempts == 2
    assert (told.number, told.trace, told.told) == (0, {"depth": 1}, 1)
    first, second = reopen().trials()
    assert (first.state, first.reports, first.told) == (State.finished, ({"ap": 0.1},), 0)
    assert (second.state, second.attempts, second.told) == (State.running, 2, None)
    assert reopen().asked == 4
    assert [trial.number for trial in reopen().history()] == [0, 0]
    assert "trying again (0 of 600 s)" in caplog.text
    assert "is back after" in caplog.text
