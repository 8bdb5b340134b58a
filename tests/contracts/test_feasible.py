"""Every strategy keeps to a budget: what it proposes can be built and costs what it may."""

import random
from collections.abc import Callable

import pytest
from test_strategies import BagSpace, every_strategy, judge, make

from nas.cost import cost
from nas.search.feasible import Feasible
from nas.search.store import Store
from nas.search.types import Candidate, State, Strategy, Trial
from proxies.budget import Budget, Limits
from proxies.short_train import ShortTrainConfig
from search_spaces.choose import SearchSpace, replay, sample
from search_spaces.genotype import Genotype, Scale
from search_spaces.registry import SPACES

WIDE = ShortTrainConfig(scale=Scale(width=0.25, output_width=32, head_depth=1))
"""The head does not outweigh the rest, so that costs differ: from 54 to 80 million multiply-adds."""


def gmacs(genotype: Genotype) -> float:
    return cost(genotype, WIDE.scale, image_size=WIDE.image_size, num_classes=10).macs / 1e9


def band(target: float) -> Budget:
    return Budget(Limits(gmacs=(0.95 * target, 1.05 * target)), WIDE, 10)


def wrapped(name: str, space: SearchSpace[Genotype], budget: Budget, *, asked: int = 0) -> Strategy:
    return Feasible(make(name, space, asked=asked), space, budget, seed=0, asked=asked)


def search(strategy: Strategy, asks: int, first: int = 0) -> list[Candidate]:
    """Ask and tell in turn: few multiply-adds are good, which pulls away from where the budget is."""
    proposals = []
    for number in range(first, first + asks):
        proposal = strategy.ask()
        scores = {"ap": 1 - gmacs(proposal.value)}  # type: ignore[arg-type]
        strategy.tell(Trial(number, State.finished, proposal.key, proposal.trace, "{}", 0, (scores,)))
        proposals.append(proposal)
    return proposals


@every_strategy
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("space", ["joint", "spinenet"])
def test_nine_in_ten_proposals_keep_a_band_of_ten_per_cent(name: str, space: str, quantile: float) -> None:
    drawn = sorted(gmacs(sample(SPACES[space], random.Random(seed)).value) for seed in range(40))
    budget = band(drawn[int(quantile * 39)])
    proposals = search(wrapped(name, SPACES[space], budget), 20)
    assert sum(budget(proposal.value) == 0 for proposal in proposals) >= 18  # type: ignore[arg-type]
    for proposal in proposals:
        assert replay(SPACES[space], proposal.trace).key() == proposal.key
    assert len({proposal.key for proposal in proposals}) >= 12, "repair does not lead to one and the same"


@every_strategy
def test_what_fits_is_left_as_it_is(name: str) -> None:
    space = SPACES["spinenet"]
    budget = Budget(Limits(gmacs=(100.0,)), WIDE, 10)
    assert search(wrapped(name, space, budget), 12) == search(make(name, space), 12)


@every_strategy
@pytest.mark.parametrize("stop", [0, 7])
def test_resumes_from_a_store(name: str, stop: int) -> None:
    """Repeats and rejections among its proposals, it asks for what it would have asked for."""

    def build(asked: int = 0) -> Strategy:
        return Feasible(make(name, asked=asked), BagSpace(), ten_at_most, seed=0, asked=asked)

    store, unbroken = Store("sqlite://"), build()
    for turn in range(stop):
        remember(store, unbroken, reject=turn % 3 == 1)
    resumed = build(store.asked)
    for trial in store.history():
        resumed.tell(trial)
    assert [resumed.ask() for _ in range(10)] == [unbroken.ask() for _ in range(10)]


def remember(store: Store, strategy: Strategy, *, reject: bool) -> None:
    """One turn of a search, with a gate that is stricter than the strategy knows."""
    candidate = strategy.ask()
    if known := store.find(candidate.key):
        strategy.tell(store.repeat(known.number, candidate.trace))
    elif reject:
        store.reject()
    else:
        trial = store.create(key=candidate.key, trace=candidate.trace, genotype="{}", seed=0)
        store.report(trial.number, judge(trial.number, candidate).reports[0])
        strategy.tell(store.end(trial.number, State.finished, seconds=1.0))


def ten_at_most(bag: object) -> float:
    return max(0, sum(map(int, bag.key())) - 10)  # type: ignore[attr-defined]


@every_strategy
@pytest.mark.parametrize("far", [1.0, float("inf")], ids=["too much", "unbuildable"])
def test_serves_any_space(name: str, far: float) -> None:
    strategy = Feasible(make(name), BagSpace(), lambda bag: far if ten_at_most(bag) else 0.0, seed=3)
    assert all(ten_at_most(replay(BagSpace(), strategy.ask().trace)) == 0 for _ in range(20))


@pytest.mark.parametrize("violation", [lambda bag: 1.0, lambda bag: float("inf")], ids=["too much", "unbuildable"])
def test_where_nothing_fits_it_still_proposes(violation: Callable[[object], float]) -> None:
    space = BagSpace(length=2, base=2)
    strategy = Feasible(make("random", space), space, violation, seed=0)
    assert all(replay(space, proposal.trace).key() == proposal.key for proposal in (strategy.ask() for _ in range(5)))
