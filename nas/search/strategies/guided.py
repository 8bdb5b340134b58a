"""Guided search: of the neighbours of the best trials and some strangers, a predictor picks the next trial."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import rankdata

from nas.search.ranking import merit
from nas.search.strategies.turns import Turns, candidate
from nas.search.types import Candidate, Direction, Predictor, Storable, Trial
from search_spaces.choose import SearchSpace, Trace, neighbours, replay, sample

Array = NDArray[np.float64]

MOST = 400
"""Trials that the predictor learns from, half of them the best and half the latest others: its time grows with their
cube, and a search of thousands is soon resumed."""
RIVALS = 100
"""Of so many trials with the highest scores, the predictor says which are the best."""
SLOPE = 0.05
"""What all objectives together count beside the worst: ParEGO's, so that of two as bad there the better one wins."""


class Guided:
    """Take the most promising of many candidates: the one of the greatest expected improvement.

    As BANANAS does (White et al. 2021, arXiv 1910.11858, section 5), a predictor is fitted to all trials, and picks
    among small changes of the best ones; here it also says which are the best, since a single noisy score does not, and
    some of the candidates are random ones, lest all of them lie on one hill. Improvement is counted from the best
    prediction for a trial (Jones et al. 1998, equation 15, with it for the best score), so that luck does not raise the
    bar.

    By several objectives, every lesson is about another mixture of them, so that lessons together are about the whole
    front (ParEGO, Knowles 2006, section 3). Trials stopped early count with their last scores; failed ones teach
    nothing. A key that is running or has had its trial, however that ended, is not proposed while there are others.

    Args:
        predictor: learns anew from the scored trials, each key once, whenever they have grown by a fiftieth;
            from `MOST` at most.
        warm_up: candidates are random until so many trials have scores.
        pool: how many candidates there are to pick from: three quarters are new neighbours of the best trials, as
            far as there are some, the others random.
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
        self._scored: dict[str, Trace] = {}
        self._merits: list[tuple[float, ...]] = []
        self._lesson = 0
        """How many of the scored trials to learn from: it grows with tells alone, so that replaying them resumes."""
        self._learned = 0
        self._members: dict[str, Candidate] = {}
        """What was learned from, by key."""
        self._parents: list[Candidate] = []
        """The best trials, best first."""
        self._bar = 0.0
        """What the best of them is predicted to score."""
        self._taken: set[str] = set()
        """Keys that are running or have had their trial."""
        self._spent: set[str] = set()
        """Keys of trials whose neighbours are all taken."""

    def ask(self) -> Candidate:
        rng = self._turns.next()
        proposal = self._pick(rng) if self._lesson else None
        proposal = proposal or candidate(sample(self._space, rng))
        self._taken.add(proposal.key)
        return proposal

    def tell(self, trial: Trial) -> None:
        found = merit(trial, self._objectives)
        if found is not None and trial.key not in self._scored:
            self._scored[trial.key] = trial.trace
            self._merits.append(found)
            if len(self._merits) >= max(self._warm_up, self._lesson + max(1, self._lesson // 50)):
                self._lesson = len(self._merits)
        self._taken.add(trial.key)

    def _pick(self, rng: random.Random) -> Candidate | None:
        """The most promising of the candidates; None where all are known."""
        if self._learned < self._lesson:
            self._learn()
        strangers = self._pool // 4
        pool = list(islice(self._neighbours(rng.getrandbits(64)), self._pool - strangers))
        pool += self._fresh(candidate(sample(self._space, rng)) for _ in range(strangers))
        if not pool:
            return None
        return pool[_most_promising(*self._predictor.predict(pool), self._bar)]

    def _learn(self) -> None:
        self._learned = self._lesson
        rng = random.Random(f"{self._seed}/lesson/{self._lesson}")
        values = _mixture(self._merits[: self._lesson], rng)
        told, places = list(self._scored.items()), _telling(values)
        known, self._members = self._members, {}
        for key, trace in (told[place] for place in places):
            self._members[key] = known.get(key) or Candidate(trace, key, replay(self._space, trace))
        members = list(self._members.values())
        scores = [values[place] for place in places]
        self._predictor.fit(members, scores, seed=self._seed)
        rivals = [members[place] for place in nlargest(RIVALS, range(len(scores)), key=scores.__getitem__)]
        means, _ = self._predictor.predict(rivals)
        self._bar = float(means.max())
        self._parents = [rivals[place] for place in (-means).argsort(kind="stable")]

    def _neighbours(self, salt: int) -> Iterator[Candidate]:
        """New ones of the best trials, each trial's in random order."""
        for parent in self._parents:
            if parent.key in self._spent:
                continue
            rng = random.Random(f"{salt}/{parent.key}")  # its own, so that skipping others changes nothing
            fresh = None
            for fresh in self._fresh(map(candidate, neighbours(self._space, parent.trace, rng))):
                yield fresh
            if fresh is None:
                self._spent.add(parent.key)

    def _fresh(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        return (c for c in candidates if c.key not in self._taken)


def _mixture(merits: Sequence[tuple[float, ...]], rng: random.Random) -> list[float]:
    """One objective as it is; of several, how far behind one is where it is the worst, by ranks and random weights."""
    if len(merits[0]) == 1:
        return [value for (value,) in merits]
    weights = np.array([rng.expovariate(1) for _ in merits[0]])
    behind = (1 - rankdata(np.array(merits), axis=0) / len(merits)) * weights / weights.sum()
    mixed: list[float] = (-behind.max(1) - SLOPE * behind.sum(1)).tolist()
    return mixed


def _telling(scores: Sequence[float]) -> list[int]:
    """Places of the trials to learn from."""
    if len(scores) <= MOST:
        return list(range(len(scores)))
    best = nlargest(MOST // 2, range(len(scores)), key=scores.__getitem__)
    others = sorted(set(range(len(scores))).difference(best))
    return sorted([*best, *others[-(MOST - len(best)) :]])


def _most_promising(means: Array, deviations: Array, bar: float) -> int:
    """Place of the greatest expected improvement over `bar`; of equal ones, of the highest mean."""
    sure = deviations <= 0
    spread = np.where(sure, 1.0, deviations)
    z = (means - bar) / spread
    density = np.exp(-(z**2) / 2) / (2 * np.pi) ** 0.5
    improvement = np.where(sure, np.maximum(means - bar, 0), spread * (z * ndtr(z) + density))
    return int(np.lexsort((means, improvement))[-1])
