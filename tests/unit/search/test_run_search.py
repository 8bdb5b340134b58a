"""The loop, on runners that do their work here."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from toys import OBJECTIVES, DigitSpace, SumProxy, parse

from nas.search.attempt import attempt
from nas.search.local_runner import LocalRunner
from nas.search.run_search import Result, driver_seed, run_search
from nas.search.store import Store
from nas.search.strategies import RandomSearch, StrategyConfig, build_strategy
from nas.search.types import Job, Report, Runner, State, Trial, Work


@dataclass
class PairRunner:
    """Two jobs at once, a step of each in turn."""

    def run(self, ask: Callable[[], Job | None], work: Work, tell: Callable[[Report], None]) -> None:
        active = [attempt(work, job, time_limit=None) for job in itertools.islice(iter(ask, None), 2)]
        while active:
            reports = active.pop(0)
            report = next(reports)
            tell(report)
            if not report.state.ended:
                active.append(reports)
            elif job := ask():
                active.append(attempt(work, job, time_limit=None))


@dataclass
class Search:
    """A search that can be stopped and begun again."""

    store: Store
    space: DigitSpace = field(default_factory=DigitSpace)
    strategy: str = "evolution"
    proxy: SumProxy = field(default_factory=SumProxy)
    runner: Runner = field(default_factory=LocalRunner)
    watch: Callable[[Trial], None] = lambda trial: None

    def run(self, trials: int) -> Result:
        config = StrategyConfig(name=self.strategy, population=5, tournament=3)
        seed = driver_seed(1, self.store.slot)
        strategy = build_strategy(config, self.space, OBJECTIVES, seed=seed, asked=self.store.asked)
        return run_search(
            strategy=strategy,
            proxy=self.proxy,
            runner=self.runner,
            store=self.store,
            trials=trials,
            seed=1,
            device="cpu",
            watch=self.watch,
            parse=parse,
        )


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


def test_resumed_anywhere_it_asks_for_the_same(tmp_path: Path) -> None:
    """Interrupted at every possible report, it ends with the same trials as without."""
    space = DigitSpace(3, base=4, order=False)
    unbroken = Store(str(tmp_path / "unbroken.db"))
    Search(unbroken, space).run(12)
    wanted = [(trial.trace, trial.reports) for trial in unbroken.trials()]
    for moment in range(1, 36, 5):
        store = Store(str(tmp_path / f"{moment}.db"))
        with pytest.raises(KeyboardInterrupt):
            Search(store, space, watch=interrupt_at(moment)).run(12)
        Search(store, space).run(12)
        assert [(trial.trace, trial.reports) for trial in store.trials()] == wanted
        assert store.asked == unbroken.asked


def interrupt_at(moment: int) -> Callable[[Trial], None]:
    calls = itertools.count(1)

    def watch(trial: Trial) -> None:
        if next(calls) == moment:
            raise KeyboardInterrupt

    return watch


def test_an_orphan_starts_anew_under_its_number(store: Store) -> None:
    seen: list[Trial] = []
    with pytest.raises(KeyboardInterrupt):
        Search(store, watch=interrupt_at(7)).run(10)
    orphan = store.trials()[-1]
    assert orphan.state is State.running
    assert orphan.reports
    Search(store, watch=seen.append).run(10)
    assert (seen[0].number, seen[0].genotype, seen[0].reports) == (orphan.number, orphan.genotype, ())


def test_a_finished_search_has_nothing_left_to_do(store: Store) -> None:
    before = Search(store).run(5)
    assert Search(store, watch=interrupt_at(1)).run(5) == before


def test_a_broken_candidate_is_a_failed_trial(store: Store) -> None:
    class Broken(SumProxy):
        def evaluate(self, genotype, *, seed, device):  # type: ignore[no-untyped-def]
            if sum(genotype.values) % 2:
                raise ValueError("odd")
            yield {"ap": 1.0} if sum(genotype.values) % 4 else {"recall": 1.0}

    Search(store, proxy=Broken()).run(30)
    errors = {trial.error for trial in store.trials()}
    missing = "ValueError: the proxy did not score ['ap']: it scored ['recall']"
    assert errors == {None, "ValueError: odd", missing}
    assert {trial.state for trial in store.trials() if trial.error} == {State.failed}


@both_runners
def test_errors_of_the_loop_itself_are_raised(store: Store, runner: Runner) -> None:
    def watch(trial: Trial) -> None:
        if trial.number == 2 and trial.state.ended:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        Search(store, runner=runner, watch=watch).run(9)


def test_drivers_of_a_study_propose_each_their_own() -> None:
    assert driver_seed(7, 0) == 7, "a driver that is alone searches as if there were no slots"
    seeds = [driver_seed(seed, slot) for seed in range(5) for slot in range(5)]
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
