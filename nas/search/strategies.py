"""Strategies: what to try next, seen from traces, keys and scores alone.

The randomness of a proposal depends on the seed and on how many proposals came before it, so a strategy's state
is that count and what it was told: whoever replays a store's history has resumed the search.
"""

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt, model_validator

from nas.search.prescreened import Prescreened
from nas.search.ranking import merit
from nas.search.types import Candidate, Direction, Predictor, Storable, Strategy, Trial
from search_spaces.choose import Sampled, SearchSpace, SpaceExhausted, Trace, crossover, mutate, sample
from search_spaces.importing import build_own, imported, is_import_path


class RandomSearch:
    """Draw every candidate independently by uniform choices: the baseline any strategy has to beat."""

    def __init__(
        self, space: SearchSpace[Storable], objectives: Mapping[str, Direction], *, seed: int, asked: int = 0
    ) -> None:
        self._space = space
        self._seed = seed
        self._asked = asked

    def ask(self) -> Candidate:
        drawn = sample(self._space, random.Random(f"{self._seed}/{self._asked}"))
        self._asked += 1
        return _candidate(drawn)

    def tell(self, trial: Trial) -> None:
        pass


class RegularizedEvolution:
    """Mutate the best of a random few of the latest trials; the oldest leave, however good (arXiv 1802.01548).

    Algorithm 1 there. The first objective is the fitness. Trials stopped early compete with their last scores,
    failed ones not at all.

    Args:
        population: how many of the latest trials may become parents; candidates are random until there are as many.
        tournament: how many of them compete to be the parent.
        crossover: probability of crossing the parent with a second tournament's winner before the mutation.
    """

    def __init__(
        self,
        space: SearchSpace[Storable],
        objectives: Mapping[str, Direction],
        *,
        seed: int,
        asked: int = 0,
        population: int = 8,
        tournament: int = 4,
        crossover: float = 0.0,
    ) -> None:
        self._space = space
        self._objectives = objectives
        self._seed = seed
        self._asked = asked
        self._population: deque[tuple[float, Trace]] = deque(maxlen=population)
        self._tournament = min(tournament, population)
        self._crossover = crossover

    def ask(self) -> Candidate:
        rng = random.Random(f"{self._seed}/{self._asked}")
        self._asked += 1
        young = len(self._population) < (self._population.maxlen or 0)
        return _candidate(sample(self._space, rng) if young else self._child(rng))

    def tell(self, trial: Trial) -> None:
        fitness = merit(trial, self._objectives)
        if fitness is not None:
            self._population.append((fitness[0], trial.trace))

    def _child(self, rng: random.Random) -> Sampled[Storable]:
        parent = self._parent(rng)
        if rng.random() < self._crossover:
            parent = crossover(self._space, parent, self._parent(rng), rng).trace
        try:
            return mutate(self._space, parent, rng)
        except SpaceExhausted:  # nothing differs from this parent, or hardly anything: the loop answers repeats
            return sample(self._space, rng)

    def _parent(self, rng: random.Random) -> Trace:
        rivals = rng.sample(self._population, self._tournament)
        return max(rivals, key=lambda rival: rival[0])[1]


class StrategyConfig(BaseModel):
    """Which strategy, and its settings; each strategy reads those that are its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "evolution"
    """Also your own, my_module:MyStrategy, which is called with this and with a Task."""
    population: PositiveInt = 8
    """evolution: how many of the latest trials may become parents."""
    tournament: PositiveInt = 4
    """evolution: how many of them compete to be the parent."""
    crossover: NonNegativeFloat = Field(0.0, le=1)
    """evolution: probability of a second parent."""
    pool: PositiveInt = 16
    """prescreened: how many of evolution's proposals the predictor picks one of; evolution's settings hold as well."""
    warm_up: int = Field(16, ge=2)
    """prescreened: trials with scores before the predictor is asked."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if is_import_path(self.name):
            imported(self.name)
        elif self.name not in STRATEGIES:
            raise ValueError(f"there is no strategy {self.name!r}: choose one of {sorted(STRATEGIES)}")
        if self.tournament > self.population:
            raise ValueError(f"a tournament of {self.tournament} needs a population of as many, not {self.population}")
        return self


@dataclass(frozen=True)
class Task:
    """What a strategy is built for; `build_strategy` says what is what."""

    space: SearchSpace[Any]
    objectives: Mapping[str, Direction]
    seed: int
    asked: int
    predictor: Predictor | None


def _evolution(config: StrategyConfig, task: Task) -> Strategy:
    return RegularizedEvolution(
        task.space,
        task.objectives,
        seed=task.seed,
        asked=task.asked,
        population=config.population,
        tournament=config.tournament,
        crossover=config.crossover,
    )


def _prescreened(config: StrategyConfig, task: Task) -> Strategy:
    if task.predictor is None:
        raise ValueError("strategy 'prescreened' needs a predictor: hand one to build_strategy")
    inner = _evolution(config, replace(task, asked=task.asked * config.pool))
    return Prescreened(
        inner,
        task.predictor,
        task.space,
        task.objectives,
        seed=task.seed,
        pool=config.pool,
        warm_up=config.warm_up,
    )


Factory = Callable[[StrategyConfig, Task], Strategy]
STRATEGIES: dict[str, Factory] = {
    "random": lambda config, task: RandomSearch(task.space, task.objectives, seed=task.seed, asked=task.asked),
    "evolution": _evolution,
    "prescreened": _prescreened,
}


def build_strategy(
    config: StrategyConfig,
    space: SearchSpace[Any],
    objectives: Mapping[str, Direction],
    *,
    seed: int,
    asked: int = 0,
    predictor: Predictor | None = None,
) -> Strategy:
    """Build the strategy a config names; to resume one, give `asked` and tell it the store's history.

    Args:
        asked: how many proposals the study has taken so far.
        predictor: what `prescreened` picks by; the others do without.

    Raises:
        ValueError: the strategy needs a predictor.
        ImportPathError: the import path leads to nothing that is called so and makes a strategy.
    """
    task = Task(space, objectives, seed, asked, predictor)
    if is_import_path(config.name):
        return build_own_strategy(config.name, config, task)
    return STRATEGIES[config.name](config, task)


def build_own_strategy(path: str, config: StrategyConfig, task: Task) -> Strategy:
    """A user's own strategy, from the function or class at an import path.

    Raises:
        ImportPathError: the path leads to nothing that is called with these two and makes a strategy.
    """
    own: Strategy = build_own(path, config, task, call="MyStrategy(config, task)", needs=("ask", "tell"))
    return own


def _candidate(member: Sampled[Storable]) -> Candidate:
    return Candidate(member.trace, member.value.key(), member.value)
