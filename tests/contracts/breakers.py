"""Promise of a contract -> a space, strategy or proxy that breaks it."""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from experiments.contracts.strategies import Bag
from nas.search.strategies import Task
from nas.search.strategies.random_search import RandomSearch
from nas.search.types import Candidate, Direction, Scores, Strategy, Trial
from search_spaces.choose import Chooser, TraceError, first_choice, mutate
from search_spaces.genotype import Edge, Genotype, Node
from search_spaces.ops import op, stem_maps
from search_spaces.zoo import zoo

COUNT = itertools.count()


@dataclass(frozen=True)
class Pair:
    first: object
    second: object

    def key(self) -> str:
        return repr(self)


class UnhashablePair(Pair):
    """A pair that cannot be hashed."""

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Made:
    """A space with the given build function."""

    build: Callable[[Chooser], Any]
    name: str = "made"


def pair(choose: Chooser) -> Pair:
    return Pair(choose("first", (1, 2, 3)), choose("second", (1, 2, 3)))


def counts(choose: Chooser) -> Pair:
    return replace(pair(choose), first=next(COUNT))


def _draws(choose: Chooser) -> Pair:
    random.random()
    return pair(choose)


def _nested(choose: Chooser) -> Pair:
    return Pair(choose("first", (((1, 2), (3, 4)), ((5,),))), choose("second", (1, 2)))  # type: ignore[type-var]


def _unhashable(choose: Chooser) -> Pair:
    return UnhashablePair(choose("first", (1, 2)), 0)


def dependent(choose: Chooser) -> Pair:
    first = choose("first", (1, 2, 3))
    return Pair(first, choose("second", range(first + 1)))


def corner(choose: Chooser) -> Pair:
    """Fails for one option that random members rarely have."""
    first, second = choose("first", range(200)), choose("second", range(9))
    if first == 100:
        raise RuntimeError("100 cannot be built")
    return Pair(first, second)


def constant(choose: Chooser) -> Pair:
    pair(choose)
    return Pair(0, 0)


def _renaming(choose: Chooser) -> Pair:
    """Names a decision differently in every build."""
    return Pair(choose(f"first.{next(COUNT) % 7}", (1, 2, 3)), choose("second", (1, 2)))


def _ignoring_trace_errors(choose: Chooser) -> Pair:
    try:
        first = choose("first", (1, 2, 3))
    except TraceError:
        first = 1
    return Pair(first, choose("second", (1, 2, 3)))


SPACES: Mapping[str, Made] = {
    "has a name": Made(pair, name=""),
    "a seed determines the sample": Made(counts),
    "samples do not use global random generators": Made(_draws),
    "a trace rebuilds its member, even from JSON": Made(_nested),
    "members are hashable and have a key": Made(_unhashable),
    "a decision always has the same options": Made(dependent),
    "every option of every decision can be built": Made(corner),
    "the first choices build a member": Made(counts),
    "a mutation is another member, one decision away": Made(constant),
    "a crossover inherits from its parents": Made(_renaming),
    "neighbours are new, distinct and one decision away": Made(constant),
    "an invalid trace is refused, naming the decision": Made(_ignoring_trace_errors),
}


def _undecodable(choose: Chooser) -> Genotype:
    """A genotype whose backbone does not exist."""
    stem = op("timm", name="no_such_backbone", levels=(3, 4), widths=(8, 8))
    maps = stem_maps(stem)
    return Genotype(
        stem,
        tuple(Node(f"p{m.level}", m.level, None, (Edge(m.name, op("lateral")),)) for m in maps),
        ("p3", "p4"),
        op("fcos"),
    )


def _two_pyramids(choose: Chooser) -> Genotype:
    return zoo(choose("system", ("fpn", "faster-rcnn-r50-fpn"))).genotype


@dataclass(frozen=True)
class Hashed(Pair):
    def key(self) -> str:
        return str(hash(str(self)))


HASHED = Made(lambda choose: Hashed(choose("first", (1, 2, 3)), choose("second", (1, 2, 3))))
NAMED_SPACES: Mapping[str, str] = {"keys are the same in every process": f"{__name__}:HASHED"}

GENOTYPE_SPACES: Mapping[str, Made] = {
    "members decode to finite maps of the declared sizes": Made(_undecodable),
    "all members have outputs at the same levels": Made(_two_pyramids),
}


class Random(RandomSearch):
    """A strategy that keeps every promise, built from a task."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.space, task.objectives, seed=task.seed, asked=task.asked)
        self.space = task.space


class WrongKey(Random):
    def ask(self) -> Candidate:
        return replace(super().ask(), key="another")


class BagsOnly(Random):
    def ask(self) -> Candidate:
        candidate = super().ask()
        assert isinstance(candidate.value, Bag)
        return candidate


class Seedless(Random):
    def __init__(self, task: Task) -> None:
        super().__init__(replace(task, seed=next(COUNT)))


class AssumesOrder(Random):
    """Assumes that the next trial passed to `tell` is the last proposal."""

    def ask(self) -> Candidate:
        self.last = super().ask()
        return self.last

    def tell(self, trial: Trial) -> None:
        assert trial.key == self.last.key


class AssumesScores(Random):
    def tell(self, trial: Trial) -> None:
        self.best = (trial.scores or {})["ap"]


class WholeNumbersOnly(Random):
    def ask(self) -> Candidate:
        candidate = super().ask()
        assert all(isinstance(value, int) for value in candidate.trace.values())
        return candidate


class OneObjective(Random):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        (self.objective,) = task.objectives


class LearnsFromFailures(Random):
    """Changes its proposals after a score above 5, which only failed trials have."""

    def tell(self, trial: Trial) -> None:
        self._rng.asked += trial.reports[-1]["ap"] > 5


class IgnoresAsked(Random):
    def __init__(self, task: Task) -> None:
        super().__init__(replace(task, asked=0))


class AlwaysTheSame(Random):
    def ask(self) -> Candidate:
        trace = {f"d{i}": 0 for i in range(10)}
        return Candidate(trace, "0" * 10, self.space.build(first_choice))


class AlwaysMutates(Random):
    def ask(self) -> Candidate:
        start = super().ask()
        child = mutate(self.space, start.trace, random.Random(0))
        return Candidate(child.trace, child.value.key(), child.value)


STRATEGIES: Mapping[str, Callable[[Task], Strategy]] = {
    "proposes members of the space by their traces": WrongKey,
    "searches genotypes": BagsOnly,
    "searches options of any type, and decisions that depend on others": WholeNumbersOnly,
    "searches by several objectives": OneObjective,
    "ignores scores of failed trials and NaN scores": LearnsFromFailures,
    "is a function of its seed": Seedless,
    "survives results in any order": AssumesOrder,
    "survives a search in which all trials fail": AssumesScores,
    "resumes from a store as if never stopped": IgnoresAsked,
    "does no worse than chance on an additive objective": AlwaysTheSame,
    "serves a space with a single member": AlwaysMutates,
}


@dataclass
class Judge:
    """A proxy that keeps every promise."""

    objectives: Mapping[str, Direction]
    steps: int = 2

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        for step in range(self.steps):
            yield {"ap": float(len(genotype.nodes) + step + seed)}


class Timed(Judge):
    """Adds a measured time to its scores, which differs every time."""

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        for scores in super().evaluate(genotype, seed=seed, device=device):
            yield {**scores, "latency_ms": float(next(COUNT))}


class OneStepShort(Judge):
    """Yields no scores at its second step."""

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        yield from itertools.islice(super().evaluate(genotype, seed=seed, device=device), 1)


class IgnoresSeed(Judge):
    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        return super().evaluate(genotype, seed=next(COUNT), device=device)


class Unpicklable(Judge):
    def __init__(self) -> None:
        super().__init__({"ap": "max"})
        self.judge = lambda genotype: 1.0


class CountsUnfinished(Judge):
    """Counts stopped evaluations, which change later scores."""

    ended = 0
    began = 0

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        unfinished = self.began - self.ended
        self.began += 1
        yield from super().evaluate(genotype, seed=seed + unfinished, device=device)
        self.ended += 1


PROXIES: Mapping[str, Judge] = {
    "declares its objectives before any evaluation": Judge({"ap": "maximise"}),  # type: ignore[dict-item]
    "yields finite objectives once per step": OneStepShort({"ap": "max"}),
    "gives the same scores again at a seed": IgnoresSeed({"ap": "max"}),
    "can be pickled and sent to a worker": Unpicklable(),
    "can be stopped at any step": CountsUnfinished({"ap": "max"}),
}
