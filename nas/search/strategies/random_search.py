"""Random search: the baseline any strategy has to beat."""

from collections.abc import Mapping

from nas.search.strategies.turns import Turns, candidate
from nas.search.types import Candidate, Direction, Storable, Trial
from search_spaces.choose import SearchSpace, sample


class RandomSearch:
    """Draw every candidate independently by uniform choices (Li and Talwalkar 2019, arXiv 1902.07638)."""

    def __init__(
        self, space: SearchSpace[Storable], objectives: Mapping[str, Direction], *, seed: int, asked: int = 0
    ) -> None:
        self._space = space
        self._turns = Turns(seed, asked)

    def ask(self) -> Candidate:
        return candidate(sample(self._space, self._turns.next()))

    def tell(self, trial: Trial) -> None:
        pass
