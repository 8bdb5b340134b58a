"""Local search: hill climbing from a random member, with a random restart at every local optimum."""

import math
import random
from collections.abc import Iterator, Mapping
from typing import Literal

from nas.search.objectives import objective_vector
from nas.search.strategies.config import StrategyConfig, Task
from nas.search.strategies.proposal_rng import ProposalRng, candidate
from nas.search.types import Candidate, Direction, Storable, Trial
from search_spaces.choose import Sampled, SearchSpace, neighbours, sample


class LocalConfig(StrategyConfig):
    """Local search has no settings."""

    by_first = True
    name: Literal["local"] = "local"

    def build(self, task: Task) -> "LocalSearch":
        return LocalSearch(task.space, task.objectives, seed=task.seed, asked=task.asked)


class LocalSearch:
    """Move to the first better neighbour; restart at random at a local optimum (White et al. 2020, arXiv 2005.02960).

    Algorithm 1 there, with first improvement (`query_until_lower` in the authors' code). The first objective decides.
    Trials stopped early count with their last scores; the search never moves to a failed trial.
    """

    def __init__(
        self, space: SearchSpace[Storable], objectives: Mapping[str, Direction], *, seed: int, asked: int = 0
    ) -> None:
        self._space = space
        self._objectives = objectives
        self._seed = seed
        self._rng = ProposalRng(seed, asked)
        self._current_score = -math.inf
        """Score of the current member, whose neighbours are proposed."""
        self._at_optimum = True
        """No neighbour of it is left to propose: the next member that is no neighbour starts a climb at any score."""
        self._neighbours: Iterator[Sampled[Storable]] = iter(())
        """Neighbours not generated yet."""
        self._open: dict[str, Candidate] = {}
        """Neighbours generated and not evaluated yet, by key."""
        self._known: set[str] = set()
        """Keys of trials that ended during this climb."""
        self._running: set[str] = set()
        """Keys proposed whose trials have not ended."""
        self._moves = 0

    def ask(self) -> Candidate:
        rng = self._rng.next()
        free = (proposal for key, proposal in self._open.items() if key not in self._running)
        proposal = next(free, None) or self._next_neighbour() or candidate(sample(self._space, rng))
        self._running.add(proposal.key)
        return proposal

    def tell(self, trial: Trial) -> None:
        self._running.discard(trial.key)
        self._known.add(trial.key)
        is_neighbour = self._open.pop(trial.key, None) is not None
        score = objective_vector(trial, self._objectives)
        if score is not None and (score[0] > self._current_score or (self._at_optimum and not is_neighbour)):
            self._current_score = score[0]
            self._moves += 1
            self._neighbours = neighbours(self._space, trial.trace, random.Random(f"{self._seed}/move/{self._moves}"))
            self._known = {trial.key}
            self._open = {}
        # decided at a tell, not at an ask: a replay of the tells has to reach the same optima
        # a running proposal does not count as left: if it was rejected, no tell ever follows
        self._at_optimum = self._open.keys() <= self._running and self._next_neighbour() is None

    def _next_neighbour(self) -> Candidate | None:
        """Generate neighbours up to the first that is neither evaluated nor running; None if there is none."""
        for neighbour in self._neighbours:
            proposal = candidate(neighbour)
            if proposal.key not in self._known:
                self._open[proposal.key] = proposal
                if proposal.key not in self._running:
                    return proposal
        return None
