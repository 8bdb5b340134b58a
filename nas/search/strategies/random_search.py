"""Random search: the baseline of every other strategy."""

from collections.abc import Mapping
from typing import Literal

from nas.search.strategies.config import StrategyConfig, Task
from nas.search.strategies.proposal_rng import ProposalRng, candidate
from nas.search.types import Candidate, Direction, Storable, Trial
from search_spaces.choose import SearchSpace, sample


class RandomConfig(StrategyConfig):
    """Random search has no settings."""

    name: Literal["random"] = "random"

    def build(self, task: Task) -> "RandomSearch":
        return RandomSearch(task.space, task.objectives, seed=task.seed, asked=task.asked)


class RandomSearch:
    """Sample every candidate independently by uniform choices (Li and Talwalkar 2019, arXiv 1902.07638)."""

    def __init__(
        self, space: SearchSpace[Storable], objectives: Mapping[str, Direction], *, seed: int, asked: int = 0
    ) -> None:
        self._space = space
        self._rng = ProposalRng(seed, asked)

    def ask(self) -> Candidate:
        return candidate(sample(self._space, self._rng.next()))

    def tell(self, trial: Trial) -> None:
        pass
