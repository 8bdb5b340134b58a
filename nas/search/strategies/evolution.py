"""Regularized evolution: the young replace the old."""

import random
from collections import deque
from collections.abc import Mapping

from nas.search.ranking import merit
from nas.search.strategies.turns import Turns, candidate
from nas.search.types import Candidate, Direction, Storable, Trial
from search_spaces.choose import Sampled, SearchSpace, SpaceExhausted, Trace, crossover, mutate, sample


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
        population: int,
        tournament: int,
        crossover: float,
    ) -> None:
        self._space = space
        self._objectives = objectives
        self._turns = Turns(seed, asked)
        self._population: deque[tuple[float, Trace]] = deque(maxlen=population)
        self._tournament = min(tournament, population)
        self._crossover = crossover

    def ask(self) -> Candidate:
        rng = self._turns.next()
        young = len(self._population) < (self._population.maxlen or 0)
        return candidate(sample(self._space, rng) if young else self._child(rng))

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
