"""A predictor for any space: a Gaussian process over decisions."""

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
"""Length scales to choose among, in shares of all decisions."""
SHARES = (0.0, 0.5)
"""Shares of the second kernel to choose among."""
NOISES = (1e-3, 1e-2, 0.05, 0.15, 0.4, 1.0)
"""Variances of noise to choose among, in shares of the signal's."""


class TraceProcess:
    """A Gaussian process (Rasmussen and Williams 2006, chapter 2) that knows members by their traces alone.

    Two kernels are added. One falls with the number of decisions in which two members differ; the other with the
    difference in how often they take each option in decisions that are alike, in that their names differ in numbers
    only: where it matters more how many operators of a kind there are than where, fewer members teach that. Length
    scale, noise and the second kernel's share are the likeliest of a few (there, section 5.4.1), chosen anew whenever
    the members have grown by a tenth.

    Scores are standardised, and those that lie farther below the median than the best lies above it are held to lie
    as far: how bad the bad ones are does not help to tell the good ones apart.
    """

    def __init__(self) -> None:
        self._views = _View(), _View()
        self._lesson: tuple[list[float], list[Trace]] | None = None

    def fit(self, members: Sequence[Candidate], scores: Sequence[float], *, seed: int) -> None:
        """Learn from these members and nothing learned before.

        Args:
            members: at least two.
            scores: one each, finite, more being better.
            seed: nothing is drawn.

        Raises:
            ValueError: fewer members, or another number of scores.
        """
        if len(members) < 2 or len(members) != len(scores):
            raise ValueError(f"{len(members)} members with {len(scores)} scores: give at least two, and a score each")
        count = _lesson(len(scores))
        lesson = list(scores[:count]), [member.trace for member in members[:count]]
        if lesson != self._lesson:
            targets = self._learn(members[:count], scores[:count])
            self._kernel = _likeliest(self._distances(self._learned), targets)
            self._lesson = lesson
        targets = self._learn(members, scores)
        covariance = self._kernel.of(*self._distances(self._learned))
        self._inverse = np.linalg.inv(covariance + self._kernel.noise * np.eye(len(targets)))
        self._weights = self._inverse @ targets

    def predict(self, members: Sequence[Candidate]) -> tuple[Array, Array]:
        """The (N,) means and (N,) standard deviations of N members' scores, in deviations of those learned from."""
        near = self._kernel.of(*self._distances([member.trace for member in members]))
        explained = ((near @ self._inverse) * near).sum(1)
        return near @ self._weights, np.sqrt(self._kernel.scale * np.maximum(1 - explained, 0))

    def _learn(self, members: Sequence[Candidate], scores: Sequence[float]) -> Array:
        """Hold members to compare others with; their (N,) targets."""
        self._learned = [member.trace for member in members]
        decisions, alike = self._views
        decisions.hold([Counter(trace.items()) for trace in self._learned])
        alike.hold([_alike(trace) for trace in self._learned])
        self._count = np.mean([len(trace) for trace in self._learned])
        return _targets(np.array(scores))

    def _distances(self, traces: Sequence[Trace]) -> tuple[Array, Array]:
        """The (N, M) shares of decisions in which N traces differ from the M learned, and of options in alike ones."""
        decisions, alike = self._views
        apart = decisions.squares([Counter(trace.items()) for trace in traces])
        return apart / (2 * self._count), alike.squares([_alike(trace) for trace in traces]) / (2 * self._count)


class _Kernel(NamedTuple):
    length: float
    share: float
    noise: float
    """Variance in shares of `scale`."""
    scale: float
    """Variance of the signal."""

    def of(self, decisions: Array, alike: Array) -> Array:
        return (1 - self.share) * np.exp(-decisions / self.length) + self.share * np.exp(-alike / self.length)


Token = tuple[str, Choice]


class _View:
    """Members as counts of tokens: squared Euclidean distances to those held."""

    def __init__(self) -> None:
        self._columns: dict[Token, int] = {}

    def hold(self, members: Sequence[Counter[Token]]) -> None:
        self._columns = {token: i for i, token in enumerate(dict.fromkeys(token for m in members for token in m))}
        self._held = self._matrix(members)

    def squares(self, members: Sequence[Counter[Token]]) -> Array:
        """(N, M) between N members and the M held."""
        norms = np.array([float(sum(n * n for n in member.values())) for member in members])
        return norms[:, None] + (self._held**2).sum(1) - 2 * self._matrix(members) @ self._held.T

    def _matrix(self, members: Sequence[Counter[Token]]) -> Array:
        matrix = np.zeros((len(members), len(self._columns)))
        for row, member in zip(matrix, members, strict=True):
            for token, n in member.items():
                if (column := self._columns.get(token)) is not None:
                    row[column] = n
        return matrix


def _alike(trace: Trace) -> Counter[Token]:
    return Counter((_without_numbers(name), value) for name, value in trace.items())


@cache
def _without_numbers(name: str) -> str:
    return re.sub(r"\d+", "", name)


def _lesson(count: int) -> int:
    """The latest size, up to `count`, that is a tenth more than the one before."""
    size = 2
    while (larger := size + max(1, size // 10)) <= count:
        size = larger
    return size


def _targets(scores: Array) -> Array:
    median = np.median(scores)
    clipped = np.maximum(scores, 2 * median - scores.max())
    return (clipped - clipped.mean()) / (clipped.std() or 1.0)


def _likeliest(distances: tuple[Array, Array], targets: Array) -> _Kernel:
    """The kernel under which the targets are the likeliest, its scale being the likeliest too."""
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
