"""The loop, on runners that do their work here."""

from pathlib import Path

import pytest

from nas.search.halving.scheduler import SchedulerConfig
from nas.search.run_search import run_search
from nas.search.runners.local import LocalRunner
from nas.search.store import Store
from nas.search.strategies import STRATEGIES
from nas.search.strategies.random_search import RandomSearch
from nas.search.types import Runner, State, Trial
from nas.seeds import nth_seed
from tests.unit.search.searches import PairRunner, Search, interrupt_at, odd
from tests.unit.search.toys import OBJECTIVES, Digits, DigitSpace, SumProxy, parse


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "study.db"))


both_runners = pytest.mark.parametrize("runner", [LocalRunner(), PairRunner()], ids=["one", "pair"])


@both_runners
def test_ends_with_the_trials_asked_for(store: Store, runner: Runner) -> None:
    result = Search(store, runner=runner).run(20)
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
    Search(store, DigitSpace(2, order=False), proxy=SumProxy(log=str(log)), runner=runner).run(18)
    assert len(log.read_text().split()) == len(set(log.read_text().split())) == 18
    assert store.asked > 18


@both_runners
def test_says_when_the_space_is_exhausted(store: Store, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.search.run_search.MOST_REPEATS", 150)
    result = Search(store, DigitSpace(2, base=3), "random", runner=runner).run(50)
    assert result.exhausted
    assert len(store.trials()) == 9


@both_runners
@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_a_search_gets_to_know_the_whole_space(
    store: Store, runner: Runner, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However soon the strategy has converged: strings of three digits in any order, of which there are 20."""
    monkeypatch.setattr("nas.search.run_search.CONVERGED", 3)
    search = Search(store, DigitSpace(3, base=4, order=False), strategy, runner=runner, draws=True)
    assert not search.run(20).exhausted
    assert search.run(21).exhausted
    assert len({trial.key for trial in store.trials()}) == len(store.trials()) == 20


def test_an_orphan_starts_anew_under_its_number(store: Store) -> None:
    seen: list[Trial] = []
    with pytest.raises(KeyboardInterrupt):
        Search(store, watch=interrupt_at(7)).run(10)
    orphan = store.trials()[-1]
    assert orphan.state is State.running
    assert orphan.reports
    Search(store, watch=seen.append).run(10)
    assert (seen[0].number, seen[0].genotype, seen[0].reports) == (orphan.number, orphan.genotype, ())


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("written", ["create", "restart"])
def test_an_interrupt_as_a_trial_begins_is_no_attempt(
    store: Store, monkeypatch: pytest.MonkeyPatch, written: str, moment: str
) -> None:
    """Nor does it take away that of the driver that died, whether or not the store had begun the next one."""
    if written == "restart":
        store.create(key="left by a driver that died", trace=(), genotype=Digits((0, 0, 0)).to_json(), seed=1)
    begun = getattr(store, written)

    def interrupted(*args: object, **kwargs: object) -> None:
        if moment == "after":  # the store has it already, the loop does not yet know
            begun(*args, **kwargs)
        raise KeyboardInterrupt

    for _ in range(4):
        with monkeypatch.context() as patch:
            patch.setattr(store, written, interrupted)
            with pytest.raises(KeyboardInterrupt):
                Search(store).run(5)
    Search(store).run(5)
    assert [trial.attempts for trial in store.trials()] == [2 if written == "restart" else 1, 1, 1, 1, 1]


def test_a_finished_search_has_nothing_left_to_do(store: Store) -> None:
    before = Search(store).run(5)
    assert Search(store, watch=interrupt_at(1)).run(5) == before


def test_a_broken_candidate_is_a_failed_trial(store: Store) -> None:
    class Broken(SumProxy):
        def evaluate(self, genotype, *, seed, device):  # type: ignore[no-untyped-def]
            if sum(genotype.values) % 2:
                raise ValueError("odd")
            if sum(genotype.values) % 3 == 1:
                return
            if sum(genotype.values) % 3 == 2:
                raise SystemExit(3)
            yield {"ap": 1.0} if sum(genotype.values) % 4 else {"recall": 1.0}

    Search(store, proxy=Broken()).run(30)
    errors = {trial.error for trial in store.trials()}
    missing = "ValueError: the proxy did not score ['ap']: it scored ['recall']"
    nothing = "ValueError: the proxy scored nothing"
    assert errors == {None, "ValueError: odd", "SystemExit: 3", missing, nothing}
    assert {trial.state for trial in store.trials() if trial.error} == {State.failed}


@both_runners
def test_errors_of_the_loop_itself_are_raised(store: Store, runner: Runner) -> None:
    def watch(trial: Trial) -> None:
        if trial.number == 2 and trial.state.ended:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        Search(store, runner=runner, watch=watch).run(9)


def test_drivers_of_a_study_propose_each_their_own() -> None:
    assert nth_seed(7, 0) == 7, "a driver that is alone searches as if there were no slots"
    seeds = [nth_seed(seed, slot) for seed in range(5) for slot in range(5)]
    assert len(set(seeds)) == 25
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_strategy_hears_of_the_other_drivers_trials(tmp_path: Path) -> None:
    other, store = (Store(str(tmp_path / "study.db")) for _ in range(2))
    other.join("other", {})
    store.join("this one", {})
    told: list[tuple[int | None, str]] = []
    seen: list[int] = []

    def watch(trial: Trial) -> None:
        if trial.state.ended:
            seen.append(trial.number)
        if trial.state.ended and trial.slot == store.slot:
            theirs = other.create(key=f"theirs {trial.number}", trace=trial.trace, genotype="{}", seed=1)
            other.end(theirs.number, State.failed, seconds=0.0)

    class Listening(RandomSearch):
        def tell(self, trial: Trial) -> None:
            told.append((trial.told, trial.key))

    run_search(
        strategy=Listening(DigitSpace(), OBJECTIVES, seed=1),
        proxy=SumProxy(),
        runner=LocalRunner(),
        store=store,
        trials=9,
        seed=1,
        device="cpu",
        watch=watch,
        parse=parse,
    )
    assert told == [(trial.told, trial.key) for trial in store.history()]
    assert sum("theirs" in key for _, key in told) == 5
    assert seen == [trial.number for trial in store.history()]
    assert store.count == 10, "the other driver was told of no limit"


@both_runners
@pytest.mark.parametrize("method", ["asha", "hyperband"])
def test_gives_up_early_what_is_hopeless(store: Store, runner: Runner, method: str) -> None:
    """A sum's parts rank as the sum does, so the best is never given up."""
    search = Search(store, proxy=SumProxy(steps=4), runner=runner, scheduler=SchedulerConfig(method=method))
    result = search.run(30)
    states = [trial.state for trial in store.trials()]
    assert states.count(State.stopped) >= 5
    assert states.count(State.finished) >= 3
    assert all(len(trial.reports) in (1, 3) for trial in store.trials() if trial.state is State.stopped)
    assert result.best is not None
    assert result.best.scores["ap"] == max(t.reports[0]["ap"] * 4 for t in store.trials())  # type: ignore[index]


def test_optimises_what_it_is_asked_to(store: Store) -> None:
    """The other way round, by another score than the proxy's own."""
    result = Search(store, objectives={"spread": "min"}).run(40)
    assert result.best is not None
    assert result.best.scores["spread"] == min(t.scores["spread"] for t in store.trials())  # type: ignore[index]
    Search(other := Store("sqlite://"), objectives={"recall": "max"}).run(1)
    assert other.trials()[0].error == "ValueError: the proxy did not score ['recall']: it scored ['ap', 'spread']"


def test_turns_away_what_is_not_allowed_before_a_worker_is_touched(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"
    search = Search(store, DigitSpace(3), "random", SumProxy(log=str(log)), violation=odd)
    assert not search.run(20).exhausted
    assert len(store.trials()) == len(log.read_text().split()) == 20
    assert not any(odd(parse(trial.genotype)) for trial in store.trials())
    assert store.rejected > 5
    assert store.asked >= 20 + store.rejected


def test_says_when_nothing_is_allowed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.search.run_search.MOST_REPEATS", 50)
    result = Search(store, violation=lambda digits: 1.0).run(5)
    assert result.exhausted
    assert (store.rejected, store.trials()) == (50, [])
