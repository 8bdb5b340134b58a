"""A predictor for any space: a Gaussian process over the decisions of traces.

scikit-learn 1.9 cannot replace it: on a precomputed kernel its process adds the noise twice and predicts no deviations,
and as it has no scale in closed form, the choice among 48 kernels takes 105 ms instead of 2 for 50 members.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.search.types import Candidate
from search_spaces.choose import Choice, Trace

Array = NDArray[np.float64]

LENGTHS = (0.2, 0.5, 1.25, 3.0)
"""Grid of length scales, as shares of all decisions."""
SHARES = (0.0, 0.5)
"""Grid of the second kernel's weights."""
NOISES = (1e-3, 1e-2, 0.05, 0.15, 0.4, 1.0)
"""Grid of noise variances, as shares of the signal's variance."""


class TraceProcess:
    """A Gaussian process (Rasmussen and Williams 2006, chapter 2) whose only input is a member's trace.

    The kernel is a weighted sum of two. The first falls with the number of decisions in which two members differ. The
    second falls with the difference in option counts over decisions whose names differ in digits only: it needs fewer
    members where the number of operators of a kind matters more than their position. Length scale, noise and the
    second kernel's weight maximise the marginal likelihood over a grid (there, section 5.4.1), again whenever the
    training set has grown by a tenth.

    Scores are standardised, and clipped as far below the median as the best lies above it: differences among poor
    members do not help to rank the good ones.
    """

    def __init__(self) -> None:
        self._views = _View(), _View()
        self._training_set: tuple[list[float], list[Trace]] | None = None

    def fit(self, members: Sequence[Candidate], scores: Sequence[float], *, seed: int) -> None:
        """Fit to these members, forgetting earlier ones.

        Args:
            members: at least two.
            scores: one each, finite, more being better.
            seed: unused, as a fit is deterministic.

        Raises:
            ValueError: fewer than two members, or not one score per member.
        """
        if len(members) < 2 or len(members) != len(scores):
            raise ValueError(f"{len(members)} members with {len(scores)} scores: give at least two, and a score each")
        count = _training_size(len(scores))
        training_set = list(scores[:count]), [member.trace for member in members[:count]]
        if training_set != self._training_set:
            targets = self._set_members(members[:count], scores[:count])
            self._kernel = _most_likely_kernel(self._distances(self._training_traces), targets)
            self._training_set = training_set
        targets = self._set_members(members, scores)
        covariance = self._kernel.of(*self._distances(self._training_traces))
        self._inverse = np.linalg.inv(covariance + self._kernel.noise * np.eye(len(targets)))
        self._weights = self._inverse @ targets

    def predict(self, members: Sequence[Candidate]) -> tuple[Array, Array]:
        """The (N,) means and (N,) standard deviations of N members' scores, standardised as the training scores."""
        near = self._kernel.of(*self._distances([member.trace for member in members]))
        explained = ((near @ self._inverse) * near).sum(1)
        return near @ self._weights, np.sqrt(self._kernel.scale * np.maximum(1 - explained, 0))

    def _set_members(self, members: Sequence[Candidate], scores: Sequence[float]) -> Array:
        """Set the training members; returns their (N,) targets."""
        self._training_traces = [member.trace for member in members]
        decisions, pooled = self._views
        decisions.fit([Counter(trace.items()) for trace in self._training_traces])
        pooled.fit([_pooled(trace) for trace in self._training_traces])
        self._count = np.mean([len(trace) for trace in self._training_traces])
        return _targets(np.array(scores))

    def _distances(self, traces: Sequence[Trace]) -> tuple[Array, Array]:
        """The (N, M) shares in which N traces differ from M training traces: of decisions, and of option counts."""
        decisions, pooled = self._views
        differing = decisions.squares([Counter(trace.items()) for trace in traces])
        return differing / (2 * self._count), pooled.squares([_pooled(trace) for trace in traces]) / (2 * self._count)


class _Kernel(NamedTuple):
    length: float
    share: float
    noise: float
    """Variance of the noise, as a share of `scale`."""
    scale: float
    """Variance of the signal."""

    def of(self, decisions: Array, pooled: Array) -> Array:
        return (1 - self.share) * np.exp(-decisions / self.length) + self.share * np.exp(-pooled / self.length)


Token = tuple[str, Choice]


class _View:
    """Members as bags of tokens: squared Euclidean distances to the training members."""

    def __init__(self) -> None:
        self._columns: dict[Token, int] = {}

    def fit(self, members: Sequence[Counter[Token]]) -> None:
        self._columns = {token: i for i, token in enumerate(dict.fromkeys(token for m in members for token in m))}
        self._training = self._matrix(members)

    def squares(self, members: Sequence[Counter[Token]]) -> Array:
        """Squared distances (N, M) between N members and the M training members."""
        norms = np.array([float(sum(n * n for n in member.values())) for member in members])
        return norms[:, None] + (self._training**2).sum(1) - 2 * self._matrix(members) @ self._training.T

    def _matrix(self, members: Sequence[Counter[Token]]) -> Array:
        matrix = np.zeros((len(members), len(self._columns)))
        for row, member in zip(matrix, members, strict=True):
            for token, n in member.items():
                if (column := self._columns.get(token)) is not None:
                    row[column] = n
        return matrix


def _pooled(trace: Trace) -> Counter[Token]:
    return Counter((_without_numbers(name), value) for name, value in trace.items())


@cache
def _without_numbers(name: str) -> str:
    return re.sub(r"\d+", "", name)


def _training_size(count: int) -> int:
    """The largest size up to `count` in a series that grows by a tenth: the kernel is chosen at these sizes."""
    size = 2
    while (larger := size + max(1, size // 10)) <= count:
        size = larger
    return size


def _targets(scores: Array) -> Array:
    median = np.median(scores)
    clipped = np.maximum(scores, 2 * median - scores.max())
    return (clipped - clipped.mean()) / (clipped.std() or 1.0)


def _most_likely_kernel(distances: tuple[Array, Array], targets: Array) -> _Kernel:
    """The kernel of the grid with the highest marginal likelihood, its scale in closed form."""
    found: list[tuple[float, _Kernel]] = []
    for length, share in product(LENGTHS, SHARES):
        values, vectors = np.linalg.eigh(_Kernel(length, share, 0.0, 1.0).of(*distances))
        squares = (vectors.T @ targets) ** 2
        for noise in NOISES:
            variances = np.maximum(values, 0) + noise
            scale = max(float((squares / variances).mean()), 1e-12)
            likelihood = -len(targets) / 2 * np.log(scale) - np.log(variances).sum() / 2
            found.append((float(likelihood), _Kernel(length, share, noise, scale)))
    return max(found, key=lambda pair: pair[0])[1]
