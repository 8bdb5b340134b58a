"""Guided search: of the neighbours of the best trials and some strangers, a predictor picks the next trial."""

import random
from collections.abc import Iterator, Mapping
from heapq import nlargest
from itertools import islice

from nas.search.ranking import merit
from nas.search.strategies.turns import Turns, candidate
from nas.search.types import Candidate, Direction, Predictor, Storable, Trial
from search_spaces.choose import SearchSpace, neighbours, replay, sample

RIVALS = 100
"""Of so many trials with the highest scores, the predictor says which are the best."""


class Guided:
    """Take the most promising of many candidates: the one of the highest mean plus standard deviation.

    As BANANAS does (White et al. 2021, arXiv 1910.11858, section 5), a predictor is fitted to all trials, and picks
    among small changes of the best ones; here it also says which are the best, since a single noisy score does not, and
    some of the candidates are random ones, lest all of them lie on one hill. The sum is an upper confidence bound
    (GP-UCB, Srinivas et al. 2010, arXiv 0912.3995, section 4, with a constant beta of 1).

    What is predicted is the first objective. Trials stopped early count with their last scores; failed ones teach
    nothing. A key that is running or has had its trial, however that ended, is not proposed while there are others.

    Args:
        predictor: learns anew from all scored trials, each key once, whenever there is a new one.
        warm_up: candidates are random until so many trials have scores.
        pool: how many candidates there are to pick from: half are new neighbours of the best trials, half random.
    """

    def __init__(
        self,
        space: SearchSpace[Storable],
        objectives: Mapping[str, Direction],
        predictor: Predictor,
        *,
        seed: int,
        asked: int = 0,
        warm_up: int,
        pool: int,
    ) -> None:
        self._space = space
        self._objectives = objectives
        self._predictor = predictor
        self._seed = seed
        self._turns = Turns(seed, asked)
        self._warm_up = warm_up
        self._pool = pool
        self._members: list[Candidate] = []
        self._scores: list[float] = []
        self._scored: set[str] = set()
        self._learned = 0
        self._taken: set[str] = set()
        """Keys that are running or have had their trial."""

    def ask(self) -> Candidate:
        rng = self._turns.next()
        proposal = self._pick(rng) if len(self._scores) >= self._warm_up else None
        proposal = proposal or candidate(sample(self._space, rng))
        self._taken.add(proposal.key)
        return proposal

    def tell(self, trial: Trial) -> None:
        score = merit(trial, self._objectives)
        if score is not None and trial.key not in self._scored:
            self._scored.add(trial.key)
            self._members.append(Candidate(trial.trace, trial.key, replay(self._space, trial.trace)))
            self._scores.append(score[0])
        self._taken.add(trial.key)

    def _pick(self, rng: random.Random) -> Candidate | None:
        """The most promising of the candidates; None where all are known."""
        if self._learned < len(self._scores):
            self._predictor.fit(self._members, self._scores, seed=self._seed)
            self._learned = len(self._scores)
        near = islice(self._fresh(self._neighbours(rng)), self._pool // 2)
        strange = (candidate(sample(self._space, rng)) for _ in range(self._pool - self._pool // 2))
        pool = [*near, *self._fresh(strange)]
        if not pool:
            return None
        means, deviations = self._predictor.predict(pool)
        return pool[int((means + deviations).argmax())]

    def _neighbours(self, rng: random.Random) -> Iterator[Candidate]:
        """Of the best trials, the best one's first."""
        places = nlargest(RIVALS, range(len(self._scores)), key=self._scores.__getitem__)
        rivals = [self._members[place] for place in places]
        means, _ = self._predictor.predict(rivals)
        for place in (-means).argsort(kind="stable"):
            yield from map(candidate, neighbours(self._space, rivals[place].trace, rng))

    def _fresh(self, candidates: Iterator[Candidate]) -> Iterator[Candidate]:
        return (c for c in candidates if c.key not in self._taken)
