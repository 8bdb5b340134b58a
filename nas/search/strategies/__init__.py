"""Strategies: they propose candidates from traces, keys and scores alone; one strategy a file.

The randomness of a proposal depends on the seed and the number of earlier proposals only. A strategy's state is
therefore that number and the trials it was told: replaying a store's history resumes the search.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt, model_validator

from nas.search.strategies.evolution import RegularizedEvolution
from nas.search.strategies.local_search import LocalSearch
from nas.search.strategies.random_search import RandomSearch
from nas.search.types import Direction, Predictor, Strategy
from search_spaces.choose import SearchSpace
from search_spaces.importing import build_own, imported, is_import_path

__all__ = ["BY_FIRST", "STRATEGIES", "StrategyConfig", "Task", "build_own_strategy", "build_strategy"]


class StrategyConfig(BaseModel):
    """The strategy and its settings; each setting names the strategies that read it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "guided"
    """guided, random, evolution, local, tpe, nsga2 or controller; or your own, my_module:MyStrategy, which is called
    with this config and a Task. guided and nsga2 optimise all objectives, the others the first one."""
    population: PositiveInt = 16
    """evolution: number of latest trials that may become parents; nsga2: trials per generation."""
    tournament: PositiveInt = 8
    """evolution: number of population members that compete to be the parent."""
    crossover: NonNegativeFloat = Field(0.0, le=1)
    """evolution: probability of a second parent."""
    warm_up: int = Field(4, ge=2)
    """guided: scored trials before the predictor is used; proposals are random until then."""
    pool: int = Field(64, ge=2)
    """guided: candidates among which expected improvement picks each proposal."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if is_import_path(self.name):
            imported(self.name)
        elif self.name not in STRATEGIES:
            raise ValueError(f"there is no strategy {self.name!r}: choose one of {sorted(STRATEGIES)}")
        if self.name == "evolution" and self.tournament > self.population:
            raise ValueError(f"a tournament of {self.tournament} exceeds the population of {self.population}: lower it")
        if self.name == "nsga2" and self.population < 2:
            raise ValueError("a population of 1 has no second parent: give nsga2 a population of at least 2")
        return self


@dataclass(frozen=True)
class Task:
    """Arguments of a strategy's constructor; `build_strategy` documents them."""

    space: SearchSpace[Any]
    objectives: Mapping[str, Direction]
    seed: int
    asked: int
    predictor: Predictor | None


def _random(config: StrategyConfig, task: Task) -> Strategy:
    return RandomSearch(task.space, task.objectives, seed=task.seed, asked=task.asked)


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


def _local(config: StrategyConfig, task: Task) -> Strategy:
    return LocalSearch(task.space, task.objectives, seed=task.seed, asked=task.asked)


# imported on use: scipy, optuna and torch take long to import


def _guided(config: StrategyConfig, task: Task) -> Strategy:
    from nas.search.strategies.guided import Guided
    from nas.search.strategies.trace_process import TraceProcess

    return Guided(
        task.space,
        task.objectives,
        task.predictor or TraceProcess(),
        seed=task.seed,
        asked=task.asked,
        warm_up=config.warm_up,
        pool=config.pool,
    )


def _tpe(config: StrategyConfig, task: Task) -> Strategy:
    from nas.search.strategies.optuna_samplers import Tpe

    return Tpe(task.space, task.objectives, seed=task.seed, asked=task.asked)


def _nsga2(config: StrategyConfig, task: Task) -> Strategy:
    from nas.search.strategies.optuna_samplers import Nsga2

    return Nsga2(task.space, task.objectives, seed=task.seed, asked=task.asked, population=config.population)


def _controller(config: StrategyConfig, task: Task) -> Strategy:
    from nas.search.strategies.controller import Controller

    return Controller(task.space, task.objectives, seed=task.seed, asked=task.asked)


Factory = Callable[[StrategyConfig, Task], Strategy]
STRATEGIES: Mapping[str, Factory] = MappingProxyType(
    {
        "random": _random,
        "evolution": _evolution,
        "local": _local,
        "tpe": _tpe,
        "nsga2": _nsga2,
        "guided": _guided,
        "controller": _controller,
    }
)
BY_FIRST = frozenset({"evolution", "local", "tpe", "controller"})
"""Strategies that optimise the first objective alone."""


def build_strategy(
    config: StrategyConfig,
    space: SearchSpace[Any],
    objectives: Mapping[str, Direction],
    *,
    seed: int,
    asked: int = 0,
    predictor: Predictor | None = None,
) -> Strategy:
    """Build the strategy that a config names; to resume one, give `asked` and tell it the store's history.

    Args:
        asked: number of proposals the study has taken so far.
        predictor: surrogate model of `guided`; None for a Gaussian process over traces, which serves any space.

    Raises:
        ImportPathError: no callable at the import path builds a strategy from these arguments.
    """
    task = Task(space, objectives, seed, asked, predictor)
    if is_import_path(config.name):
        return build_own_strategy(config.name, config, task)
    return STRATEGIES[config.name](config, task)


def build_own_strategy(path: str, config: StrategyConfig, task: Task) -> Strategy:
    """A user's own strategy, built by the function or class at an import path.

    Raises:
        ImportPathError: no callable at the path builds a strategy from a config and a task.
    """
    own: Strategy = build_own(path, config, task, call="MyStrategy(config, task)", needs=("ask", "tell"))
    return own
