"""Guided search: Bayesian optimisation over neighbours of the best trials and some random members."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import rankdata

from nas.search.objectives import objective_vector
from nas.search.strategies.proposal_rng import ProposalRng, candidate
from nas.search.types import Candidate, Direction, Predictor, Storable, Trial
from search_spaces.choose import SearchSpace, Trace, neighbours, replay, sample

Array = NDArray[np.float64]

MOST_TRAINING = 400
"""Upper bound of the training set, half of it the best trials and half the latest others: a fit takes cubic time, and
a search of thousands of trials has to resume quickly."""
RERANKED = 100
"""How many top trials the predictor re-ranks to choose parents."""
RHO = 0.05
"""rho of ParEGO's augmented Tchebycheff function: the weight of the sum, which breaks ties of the maximum."""


class Guided:
    """Propose the candidate that maximises the acquisition function: expected improvement under a predictor.

    As in BANANAS (White et al. 2021, arXiv 1910.11858, section 5), a predictor is fitted to the trials and picks among
    neighbours of the best ones. Here the predictor also ranks those, as a single score is noisy, and a share of the
    candidates is random, to leave local optima. The incumbent is the best predicted trial, not the best observed one
    (Jones et al. 1998, equation 15, with that replaced), so that a lucky score does not raise it.

    With several objectives, each fit scalarises them with new random weights, so that the fits together cover the
    Pareto front (ParEGO, Knowles 2006, section 3). Trials stopped early count with their last scores; failed trials are
    left out. A key that is running or has ended is proposed again only if the pool holds no new key.

    Args:
        predictor: fitted to the scored trials, each key once and `MOST_TRAINING` at most, whenever their number has
            grown by 2 %.
        warm_up: number of scored trials before the first fit; candidates are random until then.
        pool: number of candidates per proposal: up to three quarters new neighbours of the best trials, the others
            random.
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
        self._rng = ProposalRng(seed, asked)
        self._warm_up = warm_up
        self._pool = pool
        self._scored: dict[str, Trace] = {}
        self._vectors: list[tuple[float, ...]] = []
        self._training_size = 0
        """How many scored trials the next fit sees: a function of the tells alone, so that replaying them resumes."""
        self._fitted_size = 0
        self._members: dict[str, Candidate] = {}
        """The training set, by key."""
        self._parents: list[Candidate] = []
        """The best trials, best first."""
        self._incumbent = 0.0
        """Highest predicted score of a parent: expected improvement is measured from it."""
        self._taken: set[str] = set()
        """Keys that are running or have ended."""
        self._spent: set[str] = set()
        """Keys of trials whose neighbours are all taken."""

    def ask(self) -> Candidate:
        rng = self._rng.next()
        proposal = self._pick(rng) if self._training_size else None
        proposal = proposal or candidate(sample(self._space, rng))
        self._taken.add(proposal.key)
        return proposal

    def tell(self, trial: Trial) -> None:
        vector = objective_vector(trial, self._objectives)
        if vector is not None and trial.key not in self._scored:
            self._scored[trial.key] = trial.trace
            self._vectors.append(vector)
            if len(self._vectors) >= max(self._warm_up, self._training_size + max(1, self._training_size // 50)):
                self._training_size = len(self._vectors)
        self._taken.add(trial.key)

    def _pick(self, rng: random.Random) -> Candidate | None:
        """The pool's candidate of the greatest expected improvement; None if the pool has no new key."""
        if self._fitted_size < self._training_size:
            self._fit()
        randoms = self._pool // 4
        pool = list(islice(self._neighbours(rng.getrandbits(64)), self._pool - randoms))
        pool += self._fresh(candidate(sample(self._space, rng)) for _ in range(randoms))
        if not pool:
            return None
        return pool[_best_by_expected_improvement(*self._predictor.predict(pool), self._incumbent)]

    def _fit(self) -> None:
        self._fitted_size = self._training_size
        rng = random.Random(f"{self._seed}/lesson/{self._training_size}")
        values = _scalarise(self._vectors[: self._training_size], rng)
        scored, indices = list(self._scored.items()), _training_indices(values)
        known, self._members = self._members, {}
        for key, trace in (scored[i] for i in indices):
            self._members[key] = known.get(key) or Candidate(trace, key, replay(self._space, trace))
        members = list(self._members.values())
        scores = [values[i] for i in indices]
        self._predictor.fit(members, scores, seed=self._seed)
        top = [members[i] for i in nlargest(RERANKED, range(len(scores)), key=scores.__getitem__)]
        means, _ = self._predictor.predict(top)
        self._incumbent = float(means.max())
        self._parents = [top[i] for i in (-means).argsort(kind="stable")]

    def _neighbours(self, salt: int) -> Iterator[Candidate]:
        """New neighbours of the best trials: parents in order, each parent's neighbours in random order."""
        for parent in self._parents:
            if parent.key in self._spent:
                continue
            rng = random.Random(f"{salt}/{parent.key}")  # one per parent, so that skipping others changes nothing
            fresh = None
            for fresh in self._fresh(map(candidate, neighbours(self._space, parent.trace, rng))):
                yield fresh
            if fresh is None:
                self._spent.add(parent.key)

    def _fresh(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        return (c for c in candidates if c.key not in self._taken)


def _scalarise(vectors: Sequence[tuple[float, ...]], rng: random.Random) -> list[float]:
    """One objective unchanged; several by the augmented Tchebycheff function of their ranks with random weights."""
    if len(vectors[0]) == 1:
        return [value for (value,) in vectors]
    weights = np.array([rng.expovariate(1) for _ in vectors[0]])
    behind = (1 - rankdata(np.array(vectors), axis=0) / len(vectors)) * weights / weights.sum()
    scores: list[float] = (-behind.max(1) - RHO * behind.sum(1)).tolist()
    return scores


def _training_indices(scores: Sequence[float]) -> list[int]:
    """Indices of the trials in the training set."""
    if len(scores) <= MOST_TRAINING:
        return list(range(len(scores)))
    best = nlargest(MOST_TRAINING // 2, range(len(scores)), key=scores.__getitem__)
    others = sorted(set(range(len(scores))).difference(best))
    return sorted([*best, *others[-(MOST_TRAINING - len(best)) :]])


def _best_by_expected_improvement(means: Array, deviations: Array, incumbent: float) -> int:
    """Index of the greatest expected improvement over the incumbent; ties go to the highest mean."""
    certain = deviations <= 0
    sigma = np.where(certain, 1.0, deviations)
    z = (means - incumbent) / sigma
    density = np.exp(-(z**2) / 2) / (2 * np.pi) ** 0.5
    improvement = np.where(certain, np.maximum(means - incumbent, 0), sigma * (z * ndtr(z) + density))
    return int(np.lexsort((means, improvement))[-1])
