"""Regularized evolution: tournament selection in a population of the latest trials."""

import random
from collections import deque
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from nas.search.objectives import objective_vector
from nas.search.strategies.config import StrategyConfig, Task
from nas.search.strategies.proposal_rng import ProposalRng, candidate
from nas.search.types import Candidate, Direction, Storable, Trial
from search_spaces.choose import Sampled, SearchSpace, SpaceExhausted, Trace, crossover, mutate, sample


class EvolutionConfig(StrategyConfig):
    """Settings of evolution."""

    by_first = True
    name: Literal["evolution"] = "evolution"
    population: PositiveInt = Field(16, description="Number of latest trials that may become parents.")
    tournament: PositiveInt = Field(8, description="Number of population members that compete to be the parent.")
    crossover: NonNegativeFloat = Field(0.0, le=1, description="Probability of a second parent.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.tournament > self.population:
            raise ValueError(f"a tournament of {self.tournament} exceeds the population of {self.population}: lower it")
        return self

    def build(self, task: Task) -> "RegularizedEvolution":
        settings = self.model_dump(exclude={"name"})
        return RegularizedEvolution(task.space, task.objectives, seed=task.seed, asked=task.asked, **settings)


class RegularizedEvolution:
    """Mutate the winner of a tournament; the oldest trial leaves the population, however good (arXiv 1802.01548).

    Algorithm 1 there. The first objective is the fitness. Trials stopped early compete with their last scores;
    failed trials do not enter the population.

    Args:
        population: number of latest trials that may become parents; candidates are random until it is full.
        tournament: number of population members that compete to be the parent.
        crossover: probability of crossing the parent with a second tournament's winner before the mutation.
    """

    def __init__(
        self,
        space: SearchSpace[Storable],
        objectives: Mapping[str, Direction],
        *,
        seed: int,
        asked: int = 0,
        population: int,
        tournament: int,
        crossover: float,
    ) -> None:
        self._space = space
        self._objectives = objectives
        self._rng = ProposalRng(seed, asked)
        self._population: deque[tuple[float, Trace]] = deque(maxlen=population)
        self._tournament = min(tournament, population)
        self._crossover = crossover

    def ask(self) -> Candidate:
        rng = self._rng.next()
        filling = len(self._population) < (self._population.maxlen or 0)
        return candidate(sample(self._space, rng) if filling else self._child(rng))

    def tell(self, trial: Trial) -> None:
        fitness = objective_vector(trial, self._objectives)
        if fitness is not None:
            self._population.append((fitness[0], trial.trace))

    def _child(self, rng: random.Random) -> Sampled[Storable]:
        parent = self._parent(rng)
        if rng.random() < self._crossover:
            parent = crossover(self._space, parent, self._parent(rng), rng).trace
        try:
            return mutate(self._space, parent, rng)
        except SpaceExhausted:  # the parent has few or no neighbours; the loop answers a repeat from the store
            return sample(self._space, rng)

    def _parent(self, rng: random.Random) -> Trace:
        tournament = rng.sample(self._population, self._tournament)
        return max(tournament, key=lambda member: member[0])[1]
