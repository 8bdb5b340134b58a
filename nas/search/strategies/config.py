"""Settings of strategies, which build their strategy.

Modules of strategies that import scipy, optuna or torch take long to import: `build` imports them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from nas.search.types import Direction, Predictor, Strategy
from search_spaces.choose import SearchSpace
from search_spaces.importing import build_own, imported


@dataclass(frozen=True)
class Task:
    """What a strategy is built for.

    Attributes:
        space: the space that it proposes members of.
        objectives: the scores that it optimises; the first one ranks trials.
        seed: of its proposals.
        asked: number of proposals the study has taken so far, for a resumed search.
        predictor: surrogate model of `guided`; None for a Gaussian process over traces, which serves any space.
    """

    space: SearchSpace[Any]
    objectives: Mapping[str, Direction]
    seed: int
    asked: int = 0
    predictor: Predictor | None = None


class StrategyConfig(BaseModel):
    """The strategy and its settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    by_first: ClassVar[bool] = False
    """Whether the strategy optimises the first objective alone."""

    name: str
    """Name of the strategy; a subclass has one."""

    def build(self, task: Task) -> Strategy:
        """Build the strategy; to resume one, give `task.asked` and tell it the store's history.

        Raises:
            ImportPathError: no callable at a user's import path builds a strategy from these arguments.
        """
        raise NotImplementedError


class GuidedConfig(StrategyConfig):
    """Settings of guided, a Bayesian optimisation."""

    name: Literal["guided"] = "guided"
    warm_up: int = Field(
        4, ge=2, description="Scored trials before the predictor is used; proposals are random until then."
    )
    pool: int = Field(64, ge=2, description="Candidates among which expected improvement picks each proposal.")

    def build(self, task: Task) -> Strategy:
        from nas.search.strategies.guided import Guided
        from nas.search.strategies.trace_process import TraceProcess

        return Guided(
            task.space,
            task.objectives,
            task.predictor or TraceProcess(),
            seed=task.seed,
            asked=task.asked,
            warm_up=self.warm_up,
            pool=self.pool,
        )


class TpeConfig(StrategyConfig):
    """Optuna's TPE has no settings here."""

    by_first = True
    name: Literal["tpe"] = "tpe"

    def build(self, task: Task) -> Strategy:
        from nas.search.strategies.optuna_samplers import Tpe

        return Tpe(task.space, task.objectives, seed=task.seed, asked=task.asked)


class Nsga2Config(StrategyConfig):
    """Settings of Optuna's NSGA-II."""

    name: Literal["nsga2"] = "nsga2"
    population: PositiveInt = Field(16, description="Trials per generation.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.population < 2:
            raise ValueError("a population of 1 has no second parent: give nsga2 a population of at least 2")
        return self

    def build(self, task: Task) -> Strategy:
        from nas.search.strategies.optuna_samplers import Nsga2

        return Nsga2(task.space, task.objectives, seed=task.seed, asked=task.asked, population=self.population)


class ControllerConfig(StrategyConfig):
    """Settings of the controller; see `Controller`."""

    by_first = True
    name: Literal["controller"] = "controller"
    batch: PositiveInt = Field(8, description="Trials per policy update.")
    epochs: PositiveInt = Field(4, description="Gradient steps per policy update.")
    learning_rate: PositiveFloat = Field(0.003, description="Learning rate of Adam.")
    entropy: NonNegativeFloat = Field(0.2, description="Weight of the decisions' mean entropy in the objective.")

    def build(self, task: Task) -> Strategy:
        from nas.search.strategies.controller import Controller

        settings = self.model_dump(exclude={"name"})
        return Controller(task.space, task.objectives, seed=task.seed, asked=task.asked, **settings)


class OwnStrategyConfig(StrategyConfig):
    """A user's own strategy.

    It has every strategy setting of the command line as an attribute, such as `population`.

    Attributes:
        name: import path, my_module:MyStrategy; called with these settings and a `Task`.
    """

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _imports(self) -> Self:
        imported(self.name)
        return self

    def build(self, task: Task) -> Strategy:
        own: Strategy = build_own(self.name, self, task, call="MyStrategy(config, task)", needs=("ask", "tell"))
        return own
