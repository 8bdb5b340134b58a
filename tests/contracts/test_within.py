"""Every strategy keeps to a budget: its proposals can be built and meet the limits."""

import functools
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from experiments.contracts.strategies import OBJECTIVES, STRATEGY, BagSpace
from nas.cost import cost
from nas.search.strategies import STRATEGIES, Task, strategy_config
from nas.search.types import Candidate, State, Strategy, Trial
from proxies.budget import Budget, Limits, require_within
from proxies.config import ShortTrainConfig
from search_spaces.choose import SearchSpace, crossover, follow, mutate, neighbours, replay, sample
from search_spaces.genotype import Genotype, Scale
from search_spaces.registry import SPACES
from search_spaces.within import Within

WIDE = ShortTrainConfig(scale=Scale(width=0.25, output_width=32, head_depth=1))
"""A scale with a small head, so that costs differ: from 54 to 80 million multiply-adds."""


every_strategy = pytest.mark.parametrize("name", sorted(STRATEGIES))


def make(name: str, space: SearchSpace[Any]) -> Strategy:
    return strategy_config(name, pool=16).build(Task(space, OBJECTIVES, seed=0))


def gmacs(genotype: Genotype) -> float:
    return cost(genotype, WIDE.scale, image_size=WIDE.image_size, num_classes=10).macs / 1e9


def band(target: float) -> Budget:
    return Budget(Limits(gmacs=(0.95 * target, 1.05 * target)), WIDE, 10)


def search(strategy: Strategy, asks: int, first: int = 0) -> list[Candidate]:
    """Ask and tell in turn; fewer multiply-adds score higher, which drives proposals out of the budget."""
    proposals = []
    for number in range(first, first + asks):
        proposal = strategy.ask()
        scores = {"ap": 1 - gmacs(proposal.value)}  # type: ignore[arg-type]
        strategy.tell(Trial(number, State.finished, proposal.key, proposal.trace, "{}", 0, (scores,)))
        proposals.append(proposal)
    return proposals


@functools.cache
def drawn_gmacs(space: str) -> list[float]:
    return sorted(gmacs(sample(SPACES[space], random.Random(seed)).value) for seed in range(40))


@every_strategy
@pytest.mark.parametrize("quantile", [0.1, 0.9])
@pytest.mark.parametrize("space", ["joint", "spinenet"])
def test_nine_in_ten_proposals_meet_a_band_of_ten_per_cent(name: str, space: str, quantile: float) -> None:
    budget = band(drawn_gmacs(space)[int(quantile * 39)])
    proposals = search(make(name, Within(SPACES[space], budget, seed=0)), 20)
    assert sum(budget(proposal.value) == 0 for proposal in proposals) >= 18  # type: ignore[arg-type]
    for proposal in proposals:
        assert replay(SPACES[space], proposal.trace).key() == proposal.key
    assert len({proposal.key for proposal in proposals}) >= 12, "repair leads to distinct members"


@every_strategy
def test_members_within_the_budget_are_unchanged(name: str) -> None:
    space = SPACES["spinenet"]
    budget = Budget(Limits(gmacs=(100.0,)), WIDE, 10)
    assert search(make(name, Within(space, budget, seed=0)), 12) == search(make(name, space), 12)


@pytest.mark.parametrize("name", ["evolution", "guided", "tpe"])  # by traces, a predictor and Optuna
def test_a_strategy_within_limits_resumes_from_a_store(name: str) -> None:
    """Proposals depend only on what a store holds: a fresh `Within` of the same seed continues."""

    def build(task: Task) -> Strategy:
        part = Within(task.space, ten_at_most, seed=0)
        return strategy_config(name, pool=8, warm_up=4).build(replace(task, space=part))

    STRATEGY["resumes from a store as if never stopped"](build)


def ten_at_most(member: Any) -> float:
    """The excess over 10 of the sum of the key's digits."""
    return max(0, sum(int(sign) for sign in member.key() if sign.isdigit()) - 10)


@every_strategy
@pytest.mark.parametrize("far", [1.0, float("inf")], ids=["too much", "unbuildable"])
def test_proposals_in_any_space_meet_the_limits(name: str, far: float) -> None:
    strategy = make(name, Within(BagSpace(), lambda bag: far if ten_at_most(bag) else 0.0, seed=3))
    assert all(ten_at_most(replay(BagSpace(), strategy.ask().trace)) == 0 for _ in range(20))


@pytest.mark.parametrize("violation", [lambda bag: 1.0, lambda bag: float("inf")], ids=["too much", "unbuildable"])
def test_a_strategy_still_proposes_if_no_member_meets_the_limits(violation: Callable[[object], float]) -> None:
    space = BagSpace(length=2, base=2)
    strategy = make("random", Within(space, violation, seed=0))
    assert all(replay(space, proposal.trace).key() == proposal.key for proposal in (strategy.ask() for _ in range(5)))


@pytest.mark.parametrize("drawn", [1, 3, 4])
def test_limits_that_a_search_can_meet_are_accepted(drawn: int) -> None:
    """Limits within 0.2 % of one member's cost, which a few hundred random draws would miss."""
    space = SPACES["spinenet"]
    found = cost(sample(space, random.Random(drawn)).value, WIDE.scale, image_size=WIDE.image_size, num_classes=10)
    near = {"gmacs": found.macs / 1e9, "mparams": found.parameters / 1e6}
    limits = Limits.model_validate({name: (0.998 * value, 1.002 * value) for name, value in near.items()})
    require_within(space, Budget(limits, WIDE, 10), seed=0)


def test_every_operation_on_a_limited_space_stays_within_the_limits() -> None:
    """Samples, mutants, children and neighbours meet the limits, and a trace rebuilds its member."""
    part, rng = Within(BagSpace(), ten_at_most, seed=0), random.Random(0)
    for _ in range(20):
        first, second = sample(part, rng), sample(part, rng)
        made = [first, mutate(part, first.trace, rng), crossover(part, first.trace, second.trace, rng)]
        for member in [*made, *islice(neighbours(part, first.trace, rng), 5)]:
            assert ten_at_most(member.value) == 0
            assert replay(part, member.trace) == replay(BagSpace(), member.trace) == member.value


def test_a_repair_changes_few_decisions() -> None:
    """A violation of one digit changes one or two decisions, not all."""
    part = Within(BagSpace(length=20, base=3), lambda bag: max(0, sum(bag.digits) - 20), seed=0)
    trace = {f"d{i}": 2 if i == 0 else 1 for i in range(20)}
    moved = follow(part, trace, random.Random(0))
    assert 0 < sum(moved.trace[name] != choice for name, choice in trace.items()) <= 4
