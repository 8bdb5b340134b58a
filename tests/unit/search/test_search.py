"""The search loop, on runners within this process."""

from dataclasses import replace
from pathlib import Path

import pytest

from nas.search.halving.scheduler import SchedulerConfig
from nas.search.runners.local import LocalRunner
from nas.search.search import Search
from nas.search.store import Store
from nas.search.strategies import STRATEGIES, strategy_config
from nas.search.strategies.random_search import RandomSearch
from nas.search.types import Runner, State, Trial
from nas.seeds import nth_seed
from tests.unit.search.searches import PairRunner, ToySearch, interrupt_at, odd, small
from tests.unit.search.toys import DigitSpace, SumProxy, parse


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "study.db"))


both_runners = pytest.mark.parametrize("runner", [LocalRunner(), PairRunner()], ids=["one", "pair"])


@both_runners
def test_a_search_ends_with_the_requested_trials(store: Store, runner: Runner) -> None:
    result = ToySearch(store=store, trials=20, runner=runner).run()
    trials = store.trials()
    assert [trial.number for trial in trials] == list(range(20))
    assert {trial.state for trial in trials} == {State.finished}
    assert all(len(trial.reports) == 2 and trial.seconds is not None for trial in trials)
    assert result.best is not None
    assert result.best.scores == max((trial.scores for trial in trials), key=lambda scores: scores["ap"])
    assert not result.exhausted


@both_runners
def test_no_key_is_evaluated_twice(store: Store, tmp_path: Path, runner: Runner) -> None:
    """Strings of two digits in any order: 21 keys, 36 traces, so most proposals are repeats."""
    log = tmp_path / "log"
    ToySearch(
        store=store, trials=18, space=DigitSpace(2, order=False), proxy=SumProxy(log=str(log)), runner=runner
    ).run()
    assert len(log.read_text().split()) == len(set(log.read_text().split())) == 18
    assert store.asked > 18


@both_runners
def test_a_search_reports_an_exhausted_space(store: Store, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.search.search_loop.MOST_REPEATS", 150)
    result = ToySearch(
        store=store, trials=50, space=DigitSpace(2, base=3), strategy=small("random"), runner=runner
    ).run()
    assert result.exhausted
    assert len(store.trials()) == 9


@both_runners
@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_a_search_evaluates_the_whole_space(
    store: Store, runner: Runner, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strings of three digits in any order, 20 keys; random draws continue after the strategy has converged."""
    monkeypatch.setattr("nas.search.search_loop.CONVERGED", 3)
    space = DigitSpace(3, base=4, order=False)
    search = ToySearch(store=store, trials=20, space=space, strategy=small(strategy), runner=runner, draws=True)
    assert not search.run().exhausted
    assert replace(search, trials=21).run().exhausted
    assert len({trial.key for trial in store.trials()}) == len(store.trials()) == 20


def test_an_orphaned_trial_restarts_under_its_number(store: Store) -> None:
    seen: list[Trial] = []
    with pytest.raises(KeyboardInterrupt):
        ToySearch(store=store, trials=10, watch=interrupt_at(7)).run()
    orphan = store.trials()[-1]
    assert orphan.state is State.running
    assert orphan.reports
    ToySearch(store=store, trials=10, watch=seen.append).run()
    assert (seen[0].number, seen[0].genotype, seen[0].reports) == (orphan.number, orphan.genotype, ())


def test_a_finished_search_runs_no_further_trial(store: Store) -> None:
    before = ToySearch(store=store, trials=5).run()
    assert ToySearch(store=store, trials=5, watch=interrupt_at(1)).run() == before


def test_a_candidate_whose_evaluation_raises_is_a_failed_trial(store: Store) -> None:
    class Broken(SumProxy):
        def evaluate(self, genotype, *, seed, device):  # type: ignore[no-untyped-def]
            if sum(genotype.values) % 2:
                raise ValueError("odd")
            if sum(genotype.values) % 3 == 1:
                return
            if sum(genotype.values) % 3 == 2:
                raise SystemExit(3)
            yield {"ap": 1.0} if sum(genotype.values) % 4 else {"recall": 1.0}

    ToySearch(store=store, trials=30, proxy=Broken()).run()
    errors = {trial.error for trial in store.trials()}
    missing = "ValueError: the proxy did not score ['ap']: it scored ['recall']"
    nothing = "ValueError: the proxy scored nothing"
    assert errors == {None, "ValueError: odd", "SystemExit: 3", missing, nothing}
    assert {trial.state for trial in store.trials() if trial.error} == {State.failed}


@both_runners
def test_errors_of_the_watch_callback_are_raised(store: Store, runner: Runner) -> None:
    def watch(trial: Trial) -> None:
        if trial.number == 2 and trial.state.ended:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        ToySearch(store=store, trials=9, runner=runner, watch=watch).run()


def test_each_driver_of_a_study_has_its_own_seeds() -> None:
    assert nth_seed(7, 0) == 7, "the first driver uses the search's own seed"
    seeds = [nth_seed(seed, slot) for seed in range(5) for slot in range(5)]
    assert len(set(seeds)) == 25
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_strategy_is_told_the_trials_of_other_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, store = (Store(str(tmp_path / "study.db")) for _ in range(2))
    other.join("other", {})
    store.join("this driver", {})
    told: list[tuple[int | None, str]] = []
    seen: list[int] = []

    def watch(trial: Trial) -> None:
        if trial.state.ended:
            seen.append(trial.number)
        if trial.state.ended and trial.slot == store.slot:
            theirs = other.create(key=f"theirs {trial.number}", trace=trial.trace, genotype="{}", seed=1)
            other.end(theirs.number, State.failed, seconds=0.0)

    monkeypatch.setattr(RandomSearch, "tell", lambda self, trial: told.append((trial.told, trial.key)))
    ToySearch(store=store, trials=9, strategy=small("random"), watch=watch).run()
    assert told == [(trial.told, trial.key) for trial in store.history()]
    assert sum("theirs" in key for _, key in told) == 5
    assert seen == [trial.number for trial in store.history()]
    assert store.count == 10, "the other driver has no limit of trials"


@both_runners
@pytest.mark.parametrize("method", ["asha", "hyperband"])
def test_a_search_stops_poor_trials_early(store: Store, runner: Runner, method: str) -> None:
    """Partial sums rank the candidates as the full sum does, so the best trial is never stopped."""
    scheduler = SchedulerConfig(method=method)
    result = ToySearch(store=store, trials=30, proxy=SumProxy(steps=4), runner=runner, scheduler=scheduler).run()
    states = [trial.state for trial in store.trials()]
    assert states.count(State.stopped) >= 5
    assert states.count(State.finished) >= 3
    assert all(len(trial.reports) in (1, 3) for trial in store.trials() if trial.state is State.stopped)
    assert result.best is not None
    assert result.best.scores["ap"] == max(t.reports[0]["ap"] * 4 for t in store.trials())  # type: ignore[index]


def test_a_search_optimises_the_requested_objective(store: Store) -> None:
    """The objective is minimised, and is not the proxy's own."""
    result = ToySearch(store=store, trials=40, objectives={"spread": "min"}).run()
    assert result.best is not None
    assert result.best.scores["spread"] == min(t.scores["spread"] for t in store.trials())  # type: ignore[index]
    ToySearch(store=(other := Store("sqlite://")), trials=1, objectives={"recall": "max"}).run()
    assert other.trials()[0].error == "ValueError: the proxy did not score ['recall']: it scored ['ap', 'spread']"


def test_a_proposal_that_violates_the_limits_never_reaches_a_worker(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"
    proxy, random = SumProxy(log=str(log)), small("random")
    search = ToySearch(store=store, trials=20, space=DigitSpace(3), strategy=random, proxy=proxy, violation=odd)
    assert not search.run().exhausted
    assert len(store.trials()) == len(log.read_text().split()) == 20
    assert not any(odd(parse(trial.genotype)) for trial in store.trials())
    assert store.rejected > 5
    assert store.asked >= 20 + store.rejected


def test_a_search_reports_limits_that_no_member_meets(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.search.search_loop.MOST_REPEATS", 50)
    result = ToySearch(store=store, trials=5, violation=lambda digits: 1.0).run()
    assert result.exhausted
    assert (store.rejected, store.trials()) == (50, [])


def test_proposals_that_violate_the_limits_are_repaired(store: Store) -> None:
    random = strategy_config("random")
    Search(
        space=DigitSpace(3), proxy=SumProxy(), store=store, trials=20, strategy=random, violation=odd, parse=parse
    ).run()
    assert store.rejected == 0
    assert not any(odd(parse(trial.genotype)) for trial in store.trials())
