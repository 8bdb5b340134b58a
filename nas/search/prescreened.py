"""Pre-screening: of many proposals of a strategy, a predictor picks the one that gets the trial."""

from collections.abc import Mapping

from nas.search.ranking import merit
from nas.search.types import Candidate, Direction, Predictor, Storable, Strategy, Trial
from search_spaces.choose import SearchSpace, replay


class Prescreened:
    """Take the most promising of several proposals: the one of the highest mean plus standard deviation.

    An upper confidence bound (GP-UCB, Srinivas et al. 2010, arXiv 0912.3995, section 4, with a constant beta of 1).
    What is predicted is the first objective. Trials stopped early count with their last scores; failed ones teach
    nothing. A key that has had its trial, however that ended, is not proposed while there are others.

    Args:
        inner: makes the proposals and is told of every trial. It is asked `pool` times for one proposal, and is
            resumed as a strategy that was.
        predictor: learns anew whenever the trials with scores have grown by a tenth.
        seed: what the predictor is fitted at.
        pool: how many proposals one is taken of.
        warm_up: with fewer scored trials, the first of them is taken.
    """

    def __init__(
        self,
        inner: Strategy,
        predictor: Predictor,
        space: SearchSpace[Storable],
        objectives: Mapping[str, Direction],
        *,
        seed: int,
        pool: int,
        warm_up: int,
    ) -> None:
        self._inner = inner
        self._predictor = predictor
        self._space = space
        self._objectives = objectives
        self._seed = seed
        self._pool = pool
        self._told: set[str] = set()
        self._values: list[Storable] = []
        self._scores: list[float] = []
        self._next_lesson = warm_up
        self._lesson = 0
        """How many of the scored trials to learn from: it grows with tells alone, so that replaying them resumes."""
        self._learned = 0

    def ask(self) -> Candidate:
        pool = [self._inner.ask() for _ in range(self._pool)]
        fresh = [candidate for candidate in pool if candidate.key not in self._told] or pool
        if not self._lesson:
            return fresh[0]
        if self._learned < self._lesson:
            self._predictor.fit(self._values[: self._lesson], self._scores[: self._lesson], seed=self._seed)
            self._learned = self._lesson
        means, deviations = self._predictor.predict([candidate.value for candidate in fresh])
        return fresh[int((means + deviations).argmax())]

    def tell(self, trial: Trial) -> None:
        self._inner.tell(trial)
        score = merit(trial, self._objectives)
        if score is not None and trial.key not in self._told:
            self._values.append(replay(self._space, trial.trace))
            self._scores.append(score[0])
        self._told.add(trial.key)
        if len(self._scores) == self._next_lesson:
            self._lesson = len(self._scores)
            self._next_lesson += max(1, self._lesson // 10)
