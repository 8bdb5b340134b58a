"""What every store promises. Set NAS_TEST_STORE_URL to an empty PostgreSQL database's URL to hold it to them, too."""

import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nas.search.store import KeyClaimed, Store, StoreError
from nas.search.types import State

OPTIONAL_URLS = [url for url in [os.environ.get("NAS_TEST_STORE_URL")] if url]
TRACE = {"depth": 3, "offsets": (1, -1), "fuse": "asff", "msfm": True, "ratio": 0.5}
ORPHANED = 2

Open = Callable[[], Store]


@pytest.fixture(params=["sqlite", *OPTIONAL_URLS])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same, at first empty, study again and again."""
    url = f"sqlite:///{tmp_path / 'study.db'}" if request.param == "sqlite" else request.param
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


def test_keeps_everything(reopen: Open) -> None:
    fill(reopen())
    first, second, third = reopen().trials()
    assert (first.number, first.state, first.key, first.genotype, first.seed) == (0, State.stopped, "a", "{}", 3)
    assert first.trace == TRACE
    assert first.reports == ({"ap": 0.1}, {"ap": 0.2, "gmacs": 3})
    assert first.seconds == 2.0
    assert (second.state, second.error, second.scores) == (State.failed, "KeyError: 'x'", None)
    assert (third.state, third.reports, third.seconds) == (State.running, (), None)


def test_history_is_what_was_told_in_that_order(reopen: Open) -> None:
    fill(reopen())
    told = [(trial.number, trial.trace.get("depth")) for trial in reopen().history()]
    assert told == [(1, 3), (1, 1), (0, 3), (0, 2)]


def test_asked_counts_trials_and_repeats(reopen: Open) -> None:
    assert reopen().asked == 0
    fill(reopen())
    assert reopen().asked == 6


def test_counts_what_was_rejected_among_what_was_asked(reopen: Open) -> None:
    """A strategy's randomness is indexed by how many proposals came before, whatever became of them."""
    fill(reopen())
    for _ in range(3):
        reopen().reject()
    store = reopen()
    assert (store.rejected, store.asked) == (3, 9)
    assert (len(store.trials()), len(store.history())) == (3, 4)


def test_finds_by_key(reopen: Open) -> None:
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
        lambda: store.restart(0),
    ):
        with pytest.raises(StoreError, match=r"trial 0 .* has ended \(stopped\)"):
            change()
    assert [trial.number for trial in store.history()] == [1, 1, 0, 0]


def test_refuses_what_is_not_there(reopen: Open) -> None:
    store = reopen()
    with pytest.raises(StoreError, match="no trial 5"):
        store.report(5, {"ap": 1.0})
    with pytest.raises(StoreError, match="no trial 5"):
        store.repeat(5, TRACE)
    assert store.asked == 0
    add(store, "a")
    with pytest.raises(StoreError, match="cannot end as running"):
        store.end(0, State.running, seconds=1.0)


def test_restart_forgets_reports(reopen: Open) -> None:
    store = reopen()
    add(store, "a")
    store.report(0, {"ap": 0.1})
    trial = reopen().restart(0)
    assert (trial.number, trial.state, trial.reports) == (0, State.running, ())


def test_drivers_share_a_study(reopen: Open) -> None:
    def drive(name: int) -> list[int]:
        store, claimed = reopen(), []
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
