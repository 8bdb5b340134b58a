"""The contract of every strategy, over any space of keyed values."""

import itertools
import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from experiments.contracts.contract import Broken, Contract
from nas.search.store import Store
from nas.search.strategies import Task
from nas.search.types import Candidate, Direction, State, Strategy, Trial
from search_spaces.choose import Choice, Chooser, Keyed, SearchSpace, replay
from search_spaces.joint import JointSpace

OBJECTIVES: Mapping[str, Direction] = {"ap": "max"}
CHANCE = 3.5
"""Score out of 5 that a strategy must reach; 200 random bags of ten digits reach 3.83, with a deviation of .05."""
PURE = "let a proposal depend only on the seed, on the number of asks and on the trials passed to `tell`"

Build = Callable[[Task], Strategy]
"""Builds a fresh strategy for a task, of any space, seed and number of earlier asks."""


@dataclass(frozen=True)
class Bag:
    """A multiset of digits: about half of all traces share their key with another trace."""

    digits: tuple[int, ...]

    def key(self) -> str:
        return "".join(map(str, sorted(self.digits)))


@dataclass(frozen=True)
class BagSpace:
    """Bags of `length` digits below `base`."""

    length: int = 6
    base: int = 6
    name: str = "bags"

    def build(self, choose: Chooser, /) -> Bag:
        return Bag(tuple(choose(f"d{i}", range(self.base)) for i in range(self.length)))


@dataclass(frozen=True)
class Route:
    """The choices, in order."""

    steps: tuple[Choice, ...]

    def key(self) -> str:
        return repr(self.steps)


@dataclass(frozen=True)
class RouteSpace:
    """Options of every type, decisions that depend on others, and a decision with a single option."""

    name: str = "routes"

    def build(self, choose: Chooser, /) -> Route:
        steps: list[Choice] = [choose("pair", ((0, 1), (0, 2), (1, 2))), choose("only", ("this",))]
        if choose("long", (False, True)):
            steps += [choose("turn.a", (0.5, 1.0)), choose("turn.b", ("left", "right"))]
        else:
            steps.append(choose(f"turn.{choose('short', range(20))}", range(9)))
        return Route(tuple(steps))


def task(
    space: SearchSpace[Keyed] | None = None,
    *,
    seed: int = 0,
    asked: int = 0,
    objectives: Mapping[str, Direction] = OBJECTIVES,
) -> Task:
    """The task of a strategy, by default bags with one objective."""
    return Task(space or BagSpace(), objectives, seed, asked, None)


def ended_trial(number: int, candidate: Candidate) -> Trial:
    """An ended trial of a candidate: every seventh fails, every fifth is stopped early."""
    state = State.failed if number % 7 == 6 else State.stopped if number % 5 == 4 else State.finished
    scores = {"ap": sum(choice for choice in candidate.trace.values() if isinstance(choice, int | float)) / 10}
    return Trial(number, state, candidate.key, candidate.trace, "{}", 0, (scores,), 1.0)


def drive(strategy: Strategy, asks: int) -> list[Candidate]:
    """Ask and tell in turn; returns the proposals."""
    proposals = []
    for number in range(asks):
        proposals.append(strategy.ask())
        strategy.tell(ended_trial(number, proposals[-1]))
    return proposals


def reached(build: Build) -> float:
    """The best score among 200 bags of ten digits, mean over three seeds; chance reaches 3.83, the optimum is 5."""
    runs = (drive(build(task(BagSpace(length=10), seed=seed)), 200) for seed in range(3))
    return statistics.mean(
        max(ended_trial(0, candidate).reports[0]["ap"] for candidate in proposals) for proposals in runs
    )


def _proposes_members(build: Build) -> None:
    for candidate in drive(build(task()), 40):
        _require_member(BagSpace(), candidate)


def _require_member(space: SearchSpace[Keyed], candidate: Candidate) -> None:
    key = replay(space, candidate.trace).key()
    if key != candidate.key or candidate.value.key() != key:
        raise Broken(
            f"the trace {dict(candidate.trace)} rebuilds {key}, the proposal has key {candidate.key}: "
            "take trace, key and value from the same `Sampled`"
        )


def _searches_genotypes(build: Build) -> None:
    space = JointSpace()
    strategy = build(task(space))
    for number in range(12):
        candidate = strategy.ask()
        _require_member(space, candidate)
        scores = {"ap": number / 10}
        strategy.tell(Trial(number, State.finished, candidate.key, candidate.trace, "{}", 0, (scores,)))


def _searches_any_options(build: Build) -> None:
    space = RouteSpace()
    strategy = build(task(space))
    for number in range(150):
        candidate = strategy.ask()
        _require_member(space, candidate)
        scores = {"ap": len(candidate.trace) + float("left" in candidate.trace.values())}
        strategy.tell(Trial(number, State.finished, candidate.key, candidate.trace, "{}", 0, (scores,)))


def _searches_by_several_objectives(build: Build) -> None:
    strategy = build(task(objectives={"ap": "max", "gmacs": "min"}))
    for number in range(130):
        candidate = strategy.ask()
        scores = {"ap": sum(map(int, candidate.key)) / 10, "gmacs": float(int(candidate.key[0]))}
        strategy.tell(Trial(number, State.finished, candidate.key, candidate.trace, "{}", 0, (scores,)))


def _ignores_bad_scores(build: Build) -> None:
    """A strategy may use that the key was evaluated, but not the score."""
    strategies = [build(task(BagSpace(length=10))) for _ in range(3)]
    bad = [(State.failed, 9.0), (State.failed, -9.0), (State.finished, math.nan)]
    for number in range(60):
        candidate, *others = [strategy.ask() for strategy in strategies]
        if others != [candidate] * 2:
            raise Broken("scores of failed trials, or NaN scores, change its proposals: leave them out")
        for strategy, (state, score) in zip(strategies, bad, strict=True):
            bad_trial = Trial(0, state, candidate.key, candidate.trace, "{}", 0, ({"ap": score},))
            strategy.tell(ended_trial(0, candidate) if number % 3 else bad_trial)


def _is_a_function_of_its_seed(build: Build) -> None:
    first, again, other = (drive(build(task(seed=seed)), 40) for seed in (1, 1, 2))
    if first != again:
        raise Broken(f"seed 1 gave two different searches: {PURE}")
    if first == other:
        raise Broken("seeds 1 and 2 gave the same search: seed its generator by the task's seed")


def _survives_any_order(build: Build) -> None:
    """With several workers, trials end in another order than they start."""
    strategy = build(task())
    waiting: list[Trial] = []
    for number in range(60):
        waiting.append(ended_trial(number, strategy.ask()))
        if number % 3 == 2:
            strategy.tell(waiting.pop(number % len(waiting)))


def _survives_failures(build: Build) -> None:
    strategy = build(task())
    for number in range(30):
        candidate = strategy.ask()
        strategy.tell(Trial(number, State.failed, candidate.key, candidate.trace, "{}", 0, error="broken"))


def _resumes(build: Build) -> None:
    """Stopped at any point and rebuilt from the store, it makes the same proposals as without the stop."""
    spaces: tuple[SearchSpace[Keyed], ...] = BagSpace(), RouteSpace()
    for space, stop in itertools.product(spaces, (0, 1, 5, 13, 30, 60, 180)):
        store = Store("sqlite://")
        unbroken = build(task(space))
        for _ in range(stop):
            _run_trial(store, unbroken)
        resumed = build(task(space, asked=store.asked))
        for trial in store.history():
            resumed.tell(trial)
        if drive(resumed, 20) != drive(unbroken, 20):
            raise Broken(
                f"resumed after {stop} proposals it differs: {PURE}; `task.asked` is the number of asks so far"
            )


def _run_trial(store: Store, strategy: Strategy) -> None:
    """One iteration of a search: ask, evaluate or repeat from the store, tell."""
    candidate = strategy.ask()
    if known := store.find(candidate.key):
        strategy.tell(store.repeat(known.number, candidate.trace))
        return
    trial = store.create(key=candidate.key, trace=candidate.trace, genotype="{}", seed=0)
    verdict = ended_trial(trial.number, candidate)
    store.report(trial.number, verdict.reports[0])
    strategy.tell(store.end(trial.number, verdict.state, seconds=1.0))


def _is_no_worse_than_chance(build: Build) -> None:
    if (best := reached(build)) < CHANCE:
        raise Broken(f"its best of 200 is {best:.2f} of 5, and chance reaches 3.83: check how `tell` uses scores")


def _serves_a_single_member(build: Build) -> None:
    keys = {candidate.key for candidate in drive(build(task(BagSpace(length=2, base=1))), 30)}
    if keys != {"00"}:
        raise Broken(f"in a space with the single member 00 it proposed {sorted(keys)}: repeat the member")


STRATEGY: Contract[Build] = {
    "proposes members of the space by their traces": _proposes_members,
    "searches genotypes": _searches_genotypes,
    "searches options of any type, and decisions that depend on others": _searches_any_options,
    "searches by several objectives": _searches_by_several_objectives,
    "is a function of its seed": _is_a_function_of_its_seed,
    "survives results in any order": _survives_any_order,
    "survives a search in which all trials fail": _survives_failures,
    "ignores scores of failed trials and NaN scores": _ignores_bad_scores,
    "resumes from a store as if never stopped": _resumes,
    "does no worse than chance on an additive objective": _is_no_worse_than_chance,
    "serves a space with a single member": _serves_a_single_member,
}
