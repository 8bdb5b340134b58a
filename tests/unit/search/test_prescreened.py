"""Proposals that a predictor picked."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from support import shared_data
from toys import OBJECTIVES, Digits, DigitSpace

from nas.search.prescreened import Prescreened
from nas.search.strategies import RandomSearch, StrategyConfig, build_strategy
from nas.search.types import Candidate, State, Strategy, Trial
from proxies.predictor import Ensemble
from search_spaces.choose import Chooser

SPACE = DigitSpace(length=4, base=6)
POOL, WARM_UP = 8, 4


@dataclass
class Sums:
    """Knows that digits add up, less sure of even sums; remembers its lessons."""

    lessons: list[tuple[list[Digits], list[float]]] = field(default_factory=list)

    def fit(self, values: Sequence[Digits], scores: Sequence[float], *, seed: int) -> None:
        self.lessons.append((list(values), list(scores)))

    def predict(self, values: Sequence[Digits]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        sums = np.array([sum(value.values) for value in values], float)
        return sums, 1.5 * (sums % 2 == 0)


def hope(candidate: Candidate) -> float:
    total = sum(map(int, candidate.key))
    return total + 1.5 * (total % 2 == 0)


def random_search(asked: int = 0) -> RandomSearch:
    return RandomSearch(SPACE, OBJECTIVES, seed=0, asked=asked)


def screened(predictor: Sums, asked: int = 0) -> Prescreened:
    return Prescreened(random_search(asked * POOL), predictor, SPACE, OBJECTIVES, seed=0, pool=POOL, warm_up=WARM_UP)


def pools(count: int) -> list[list[Candidate]]:
    """What the inner strategy proposes for each proposal."""
    inner = random_search()
    return [[inner.ask() for _ in range(POOL)] for _ in range(count)]


def trial(candidate: Candidate, state: State = State.finished, score: float = 0.5) -> Trial:
    return Trial(0, state, candidate.key, candidate.trace, "{}", 0, ({"ap": score},))


def test_takes_the_first_until_enough_trials_have_scores() -> None:
    strategy = screened(Sums())
    failed = [State.finished, State.failed, State.stopped, State.failed, State.finished]
    for pool, state in zip(pools(5), failed, strict=True):
        assert strategy.ask() == pool[0]
        strategy.tell(trial(pool[0], state))


def test_then_takes_the_most_promising_by_mean_and_deviation() -> None:
    predictor = Sums()
    strategy = screened(predictor)
    for _ in range(WARM_UP):
        strategy.tell(trial(strategy.ask()))
    for pool in pools(20)[WARM_UP:]:
        assert strategy.ask() == max(pool, key=hope)
    assert len(predictor.lessons) == 1


def test_learns_from_scores_alone_each_key_once() -> None:
    """Failed trials, scores that are no numbers and answers from the store add nothing."""
    predictor = Sums()
    strategy = screened(predictor)
    asked = [strategy.ask() for _ in range(8)]
    for candidate in asked[:2]:
        strategy.tell(trial(candidate, State.failed))
        strategy.tell(trial(candidate, score=float("nan")))
    for number, candidate in enumerate(asked[2:6]):
        strategy.tell(trial(candidate, State.stopped if number == 1 else State.finished, number / 10))
        strategy.tell(trial(candidate, score=number / 10))
    strategy.ask()
    assert predictor.lessons == [([c.value for c in asked[2:6]], [0.0, 0.1, 0.2, 0.3])]


def test_learns_anew_as_scores_grow_by_a_tenth() -> None:
    predictor = Sums()
    strategy = screened(predictor)
    for _ in range(60):
        strategy.tell(trial(strategy.ask()))
    strategy.ask()
    lessons = [len(values) for values, _ in predictor.lessons]
    assert lessons == [*range(4, 20), *range(20, 30, 2), *range(30, 42, 3), 42, 46, 50, 55, 60]


def test_what_has_had_its_trial_is_not_proposed_while_there_are_others() -> None:
    strategy = screened(Sums())
    for pool in pools(WARM_UP):
        strategy.ask()
        strategy.tell(trial(pool[0]))
    pool = pools(WARM_UP + 1)[-1]
    best, second, *_ = sorted({c.key: c for c in pool}.values(), key=hope, reverse=True)
    strategy.tell(trial(best, State.failed))
    assert hope(strategy.ask()) == hope(second)


@pytest.mark.parametrize("stop", [3, 7, 24])
def test_resumes_with_trials_still_running(stop: int) -> None:
    """Three workers: results come late, so a lesson falls between the asks."""

    def work(strategy: Strategy, waiting: list[Candidate], asks: int, told: list[Trial]) -> list[Candidate]:
        asked = []
        for _ in range(asks):
            asked.append(strategy.ask())
            waiting.append(asked[-1])
            if len(waiting) == 3:
                for candidate in (waiting.pop(1), waiting.pop(0)):
                    told.append(trial(candidate, score=sum(map(int, candidate.key))))
                    strategy.tell(told[-1])
        return asked

    def build(asked: int = 0) -> Strategy:
        predictor = Ensemble[Digits](lambda digits: np.array(digits.values, float))
        config = StrategyConfig(name="prescreened", pool=POOL, warm_up=WARM_UP)
        return build_strategy(config, SPACE, OBJECTIVES, seed=0, asked=asked, predictor=predictor)

    unbroken, waiting, told = build(), list[Candidate](), list[Trial]()
    work(unbroken, waiting, stop, told)
    resumed = build(asked=stop)
    for ended in told:
        resumed.tell(ended)
    assert work(resumed, [*waiting], 12, []) == work(unbroken, waiting, 12, [])


def test_needs_a_predictor() -> None:
    with pytest.raises(ValueError, match="strategy 'prescreened' needs a predictor: hand one to build_strategy"):
        build_strategy(StrategyConfig(name="prescreened"), SPACE, OBJECTIVES, seed=0)


@dataclass(frozen=True)
class Cell:
    """A cell of NAS-Bench-201: the operations of its six edges. Cells of a class are the same network."""

    edges: str
    kind: int

    def key(self) -> str:
        return str(self.kind)


@dataclass(frozen=True)
class Cells:
    kinds: Mapping[str, int]
    name: str = "nas-bench-201"

    def build(self, choose: Chooser, /) -> Cell:
        edges = "".join(choose(f"edge{i}", "01234") for i in range(6))
        return Cell(edges, self.kinds[edges])


def test_finds_better_cells_of_a_real_table_than_evolution_alone() -> None:
    """Of 50 trials, over 20 other seeds: 94.18 % against 94.08 %, each +-.05. Of 100, 94.27 % against 94.25 %."""
    table = shared_data() / "bench" / "nasbench201_cifar10.json"
    if not table.is_file():
        pytest.skip(f"needs {table}")
    document = json.loads(table.read_text())
    space = Cells(document["equivalence_class"])

    def reached(name: str, seed: int) -> float:
        predictor = Ensemble[Cell](lambda cell: np.eye(5)[list(map(int, cell.edges))].ravel())
        strategy = build_strategy(StrategyConfig(name=name), space, OBJECTIVES, seed=seed, predictor=predictor)
        known: dict[str, Trial] = {}
        while len(known) < 50:
            candidate = strategy.ask()
            score = document["accuracy"][candidate.value.edges]
            strategy.tell(known.setdefault(candidate.key, trial(candidate, score=score)))
        return max(t.reports[0]["ap"] for t in known.values())

    alone, screened = (
        statistics.mean(reached(name, seed) for seed in range(6)) for name in ("evolution", "prescreened")
    )
    assert screened > alone
