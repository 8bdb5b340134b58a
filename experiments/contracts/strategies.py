"""What every strategy promises, over any space of keyed values."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.contracts.contract import Broken, Contract
from nas.search.store import Store
from nas.search.strategies import Task
from nas.search.types import Candidate, Direction, State, Strategy, Trial
from proxies.features import features
from search_spaces.choose import Chooser, SearchSpace, replay
from search_spaces.genotype import Genotype
from search_spaces.joint import JointSpace

OBJECTIVES: Mapping[str, Direction] = {"ap": "max"}
CHANCE = 3.5
"""Of 5; the mean best of 100 random bags of ten digits is 3.77 over 40 seeds, give or take .03."""
PURE = "let a proposal depend on the seed, on how often it was asked and on what it was told, and on nothing else"

Build = Callable[[Task], Strategy]
"""How a contract gets hold of a strategy: as often as it likes, for spaces, seeds and counts of its own."""


@dataclass(frozen=True)
class Bag:
    """Digits in any order: half of all traces lead to a key that another one leads to."""

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


class LeastSquares:
    """A predictor of any space here: linear in how often a bag has each digit, or in a genotype's features."""

    def fit(self, values: Sequence[Bag | Genotype], scores: Sequence[float], *, seed: int) -> None:
        self._weights = np.linalg.lstsq(self._vectors(values), np.array(scores))[0]

    def predict(self, values: Sequence[Bag | Genotype]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._vectors(values) @ self._weights, np.zeros(len(values))

    def _vectors(self, values: Sequence[Bag | Genotype]) -> NDArray[np.float64]:
        rows = [np.bincount(v.digits, minlength=6) if isinstance(v, Bag) else features(v) for v in values]
        return np.stack(rows).astype(np.float64)


def task(space: SearchSpace[Bag | Genotype] | None = None, *, seed: int = 0, asked: int = 0) -> Task:
    """What a strategy is built for: bags, unless another space is given."""
    return Task(space or BagSpace(), OBJECTIVES, seed, asked, LeastSquares())


def judge(number: int, candidate: Candidate) -> Trial:
    """A trial as a search would tell of it: every seventh fails, every fifth is stopped early."""
    state = State.failed if number % 7 == 6 else State.stopped if number % 5 == 4 else State.finished
    scores = {"ap": sum(map(int, candidate.key)) / 10}
    return Trial(number, state, candidate.key, candidate.trace, "{}", 0, (scores,), 1.0)


def drive(strategy: Strategy, asks: int) -> list[Candidate]:
    """Ask and tell in turn; returns what was proposed."""
    asked = []
    for number in range(asks):
        asked.append(strategy.ask())
        strategy.tell(judge(number, asked[-1]))
    return asked


def reached(build: Build, *, seeds: int = 12) -> float:
    """The mean best score of 100 bags of ten digits, of which chance reaches 3.77 and the best is 5."""
    runs = (drive(build(task(BagSpace(length=10), seed=seed)), 100) for seed in range(seeds))
    return statistics.mean(max(judge(0, candidate).reports[0]["ap"] for candidate in asked) for asked in runs)


def _proposes_members(build: Build) -> None:
    for candidate in drive(build(task()), 40):
        _require_member(BagSpace(), candidate)


def _require_member(space: SearchSpace[Bag | Genotype], candidate: Candidate) -> None:
    key = replay(space, candidate.trace).key()
    if key != candidate.key or candidate.value.key() != key:
        raise Broken(
            f"the trace {dict(candidate.trace)} leads to {key}, the proposal says {candidate.key}: "
            "take trace, key and value from one and the same `Sampled`"
        )


def _searches_genotypes(build: Build) -> None:
    space = JointSpace()
    strategy = build(task(space))
    for number in range(12):
        candidate = strategy.ask()
        _require_member(space, candidate)
        scores = {"ap": number / 10}
        strategy.tell(Trial(number, State.finished, candidate.key, candidate.trace, "{}", 0, (scores,)))


def _is_a_function_of_its_seed(build: Build) -> None:
    first, again, other = (drive(build(task(seed=seed)), 40) for seed in (1, 1, 2))
    if first != again:
        raise Broken(f"seed 1 gave two searches: {PURE}")
    if first == other:
        raise Broken("seeds 1 and 2 gave the same search: draw from a generator of the task's seed")


def _survives_any_order(build: Build) -> None:
    """Several workers: trials end in another order than they began."""
    strategy = build(task())
    waiting: list[Trial] = []
    for number in range(60):
        waiting.append(judge(number, strategy.ask()))
        if number % 3 == 2:
            strategy.tell(waiting.pop(number % len(waiting)))


def _survives_failures(build: Build) -> None:
    strategy = build(task())
    for number in range(30):
        candidate = strategy.ask()
        strategy.tell(Trial(number, State.failed, candidate.key, candidate.trace, "{}", 0, error="broken"))


def _resumes(build: Build) -> None:
    """Stopped anywhere and rebuilt from the store, it asks for what it would have asked for."""
    for stop in (0, 1, 5, 13, 30):
        store = Store("sqlite://")
        unbroken = build(task())
        for _ in range(stop):
            _remember(store, unbroken)
        resumed = build(task(asked=store.asked))
        for trial in store.history():
            resumed.tell(trial)
        if drive(resumed, 20) != drive(unbroken, 20):
            raise Broken(f"resumed after {stop} proposals it goes another way: {PURE}; `task.asked` says how often")


def _remember(store: Store, strategy: Strategy) -> None:
    """One turn of a search: ask, evaluate or answer, tell."""
    candidate = strategy.ask()
    if known := store.find(candidate.key):
        strategy.tell(store.repeat(known.number, candidate.trace))
        return
    trial = store.create(key=candidate.key, trace=candidate.trace, genotype="{}", seed=0)
    verdict = judge(trial.number, candidate)
    store.report(trial.number, verdict.reports[0])
    strategy.tell(store.end(trial.number, verdict.state, seconds=1.0))


def _is_no_worse_than_chance(build: Build) -> None:
    if (best := reached(build)) < CHANCE:
        raise Broken(
            f"its best of 100 is {best:.2f} of 5, and chance reaches 3.77: look at what `tell` does with scores"
        )


def _serves_a_single_member(build: Build) -> None:
    keys = {candidate.key for candidate in drive(build(task(BagSpace(length=2, base=1))), 30)}
    if keys != {"00"}:
        raise Broken(f"of a space with the one member 00 it proposed {sorted(keys)}: repeat what there is")


STRATEGY: Contract[Build] = {
    "proposes members of the space by their traces": _proposes_members,
    "searches genotypes": _searches_genotypes,
    "is a function of its seed": _is_a_function_of_its_seed,
    "survives results in any order": _survives_any_order,
    "survives a search in which all fails": _survives_failures,
    "resumes from a store as if it had never stopped": _resumes,
    "does no worse than chance on an additive objective": _is_no_worse_than_chance,
    "serves a space with a single member": _serves_a_single_member,
}
