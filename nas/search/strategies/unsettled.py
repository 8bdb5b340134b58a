"""A way on for strategies that have settled: chance."""

from nas.search.strategies.turns import Turns, candidate
from nas.search.types import Candidate, Storable, Strategy, Trial
from search_spaces.choose import SearchSpace, sample

PATIENCE = 100
"""So many proposals in a row that are known already, and a strategy is held to have settled."""


class Unsettled:
    """A strategy that goes on at random where it proposes nothing new any more, until something new has come of it.

    So a search is not over because a strategy has made up its mind, but when chance finds nothing new either.

    Args:
        strategy: whose proposals these are otherwise. It is asked even so, as it counts its proposals, and told of
            all there is.
        asked: how many proposals the study has taken so far.
    """

    def __init__(self, strategy: Strategy, space: SearchSpace[Storable], *, seed: int, asked: int) -> None:
        self._strategy = strategy
        self._space = space
        self._turns = Turns(seed, asked)
        self._repeats = 0
        """Repeats in a row: counted when told, as that is what a replay gives back, or when asked, of what runs."""
        self._told: set[str] = set()
        self._running: set[str] = set()
        """Keys asked for and not told of yet."""

    def ask(self) -> Candidate:
        rng = self._turns.next()
        proposal = self._strategy.ask()
        if self._repeats >= PATIENCE:
            proposal = candidate(sample(self._space, rng))
        self._repeats += proposal.key in self._running
        self._running.add(proposal.key)
        return proposal

    def tell(self, trial: Trial) -> None:
        self._strategy.tell(trial)
        self._repeats = self._repeats + 1 if trial.key in self._told else 0
        self._running.discard(trial.key)
        self._told.add(trial.key)
