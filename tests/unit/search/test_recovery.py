"""Searches and rankings recover in the same way from dead workers, dead drivers and interrupts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.bench.baselines.no_proxy import NoProxy
from nas.search.runners.local import LocalRunner
from nas.search.store import MOST_ATTEMPTS, Store
from nas.search.types import Ask, Report, Runner, State, Tell, Work
from proxies.ranking.loop import run_ranking
from proxies.ranking.plan import Measurement, draw_candidates
from search_spaces.registry import SPACES
from tests.unit.search.searches import ToySearch

TRIALS = 4
CANDIDATES = draw_candidates(SPACES["fpn"], TRIALS, seed=0)

Go = Callable[[Store, Runner], None]


def search(store: Store, runner: Runner) -> None:
    ToySearch(store=store, trials=TRIALS, runner=runner).run()


def ranking(store: Store, runner: Runner) -> None:
    run_ranking(
        queue=[Measurement(candidate, "empty", seed=0) for candidate in range(TRIALS)],
        candidates=CANDIDATES,
        proxies={"empty": NoProxy(steps=2)},
        runner=runner,
        store=store,
        device="cpu",
        watch=lambda measurement, trial: None,
    )


@pytest.fixture(params=[search, ranking])
def go(request: pytest.FixtureRequest) -> Go:
    return request.param


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "study.db"))


@dataclass
class Deadly:
    """A runner whose first `deaths` jobs lose their worker."""

    deaths: int

    def run(self, ask: Ask, work: Work, tell: Tell) -> None:
        while self.deaths and (job := ask()):
            self.deaths -= 1
            tell(Report(job.number, State.failed, error="worker died", died=True))
        LocalRunner().run(ask, work, tell)


class Interrupted:
    """A runner that is interrupted during its first job."""

    def run(self, ask: Ask, work: Work, tell: Tell) -> None:
        ask()
        raise KeyboardInterrupt


def die(go: Go, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the store as after a kill of the driver during its first trial."""
    with monkeypatch.context() as patch:
        patch.setattr(store, "release", lambda but: None)
        with pytest.raises(KeyboardInterrupt):
            go(store, Interrupted())


def attempts(store: Store) -> list[int]:
    return [trial.attempts for trial in store.trials()]


def states(store: Store) -> list[State]:
    return [trial.state for trial in store.trials()]


def test_a_trial_whose_workers_died_can_finish_in_its_last_attempt(go: Go, store: Store) -> None:
    go(store, Deadly(deaths=MOST_ATTEMPTS - 1))
    assert attempts(store) == [MOST_ATTEMPTS, 1, 1, 1]
    assert states(store) == [State.finished] * TRIALS


def test_a_trial_that_kills_every_worker_fails(go: Go, store: Store) -> None:
    go(store, Deadly(deaths=MOST_ATTEMPTS))
    assert attempts(store) == [MOST_ATTEMPTS, 1, 1, 1]
    assert states(store) == [State.failed, *[State.finished] * (TRIALS - 1)]
    assert store.trials()[0].error == "worker died (3 attempts)"


def test_an_interrupted_trial_does_not_count_as_an_attempt(go: Go, store: Store) -> None:
    for _ in range(MOST_ATTEMPTS + 1):
        with pytest.raises(KeyboardInterrupt):
            go(store, Interrupted())
        assert attempts(store) == [0], "the next attempt is the first"
    go(store, LocalRunner())
    assert attempts(store) == [1] * TRIALS


@pytest.mark.parametrize("deaths", [1, MOST_ATTEMPTS])
def test_the_death_of_a_driver_counts_as_an_attempt(
    go: Go, store: Store, deaths: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(deaths):
        die(go, store, monkeypatch)
    go(store, LocalRunner())
    orphan, *others = store.trials()
    assert {(trial.state, trial.attempts) for trial in others} == {(State.finished, 1)}
    if deaths < MOST_ATTEMPTS:
        assert (orphan.state, orphan.attempts) == (State.finished, deaths + 1)
    else:
        assert (orphan.error, orphan.attempts) == ("its driver died 3 times while it ran", MOST_ATTEMPTS)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("written", ["create", "restart"])
def test_an_interrupt_while_a_trial_starts_does_not_count_as_an_attempt(
    go: Go, store: Store, monkeypatch: pytest.MonkeyPatch, written: str, moment: str
) -> None:
    """An attempt of a dead driver still counts, whether or not the store has started the next attempt."""
    if written == "restart":
        die(go, store, monkeypatch)
    start = getattr(store, written)

    def interrupted(*args: object, **kwargs: object) -> None:
        if moment == "after":  # the store has the trial, the loop does not know yet
            start(*args, **kwargs)
        raise KeyboardInterrupt

    for _ in range(MOST_ATTEMPTS + 1):
        with monkeypatch.context() as patch:
            patch.setattr(store, written, interrupted)
            with pytest.raises(KeyboardInterrupt):
                go(store, LocalRunner())
    go(store, LocalRunner())
    assert attempts(store) == [2 if written == "restart" else 1, *[1] * (TRIALS - 1)]
