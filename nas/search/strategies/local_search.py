"""Local search: climb from a random member to better neighbours, and begin again on every summit."""

import math
import random
from collections.abc import Iterator, Mapping

from nas.search.ranking import merit
from nas.search.strategies.turns import Turns, candidate
from nas.search.types import Candidate, Direction, Storable, Trial
from search_spaces.choose import Sampled, SearchSpace, neighbours, sample


class LocalSearch:
    """Go to the first neighbour that is better; where none is, begin anew (White et al. 2020, arXiv 2005.02960).

    Algorithm 1 there, but that it moves as soon as it can (`query_until_lower` in the authors' code). The first
    objective decides. Trials stopped early count with their last scores; failed ones are no place to go to.
    """

    def __init__(
        self, space: SearchSpace[Storable], objectives: Mapping[str, Direction], *, seed: int, asked: int = 0
    ) -> None:
        self._space = space
        self._objectives = objectives
        self._seed = seed
        self._turns = Turns(seed, asked)
        self._height = -math.inf
        """Score of the member whose neighbours are tried."""
        self._on_summit = True
        """Nothing around it is left to ask for, so that the next member from elsewhere begins a climb, however low."""
        self._around: Iterator[Sampled[Storable]] = iter(())
        """The neighbours that have not been looked at yet."""
        self._open: dict[str, Candidate] = {}
        """Those that have, and that nothing was told of."""
        self._known: set[str] = set()
        """Keys told during this climb."""
        self._running: set[str] = set()
        """Keys asked for and not told of yet."""
        self._moves = 0

    def ask(self) -> Candidate:
        rng = self._turns.next()
        free = (proposal for key, proposal in self._open.items() if key not in self._running)
        proposal = next(free, None) or self._look() or candidate(sample(self._space, rng))
        self._running.add(proposal.key)
        return proposal

    def tell(self, trial: Trial) -> None:
        self._running.discard(trial.key)
        self._known.add(trial.key)
        elsewhere = self._open.pop(trial.key, None) is None
        score = merit(trial, self._objectives)
        if score is not None and (score[0] > self._height or (self._on_summit and elsewhere)):
            self._height = score[0]
            self._moves += 1
            self._around = neighbours(self._space, trial.trace, random.Random(f"{self._seed}/move/{self._moves}"))
            self._known = {trial.key}
            self._open = {}
        # decided here and not when asked: whoever replays the tells has to come to the same summits
        # what is running may never be told of, as it was turned away: it keeps nobody on a summit
        self._on_summit = self._open.keys() <= self._running and self._look() is None

    def _look(self) -> Candidate | None:
        """Look at one neighbour more, unless it is told of or running."""
        for neighbour in self._around:
            proposal = candidate(neighbour)
            if proposal.key not in self._known:
                self._open[proposal.key] = proposal
                if proposal.key not in self._running:
                    return proposal
        return None
