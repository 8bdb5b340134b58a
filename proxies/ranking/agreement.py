"""How well two ways to score the same candidates agree, and how much of a score is noise.

Scores are arrays of one row per candidate and one column per seed, more is better; NaN is what was not measured.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

FEWEST_CANDIDATES = 10
"""With fewer, no confidence interval is given. Where tau is .85, of normal scores, intervals from 5, 8, 10 and 30
candidates held it in 54, 88, 97 and 98 % of 400 samples, not in 95 %."""
COMPLETE = 0.9
"""Seeds, and settings, of fewer candidates than this share of what others have are not compared with them yet."""
TOP = 5
RESAMPLES = 2000
_COVERAGE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A statistic, the mean over a proxy's seeds; None where it is not defined.

    `interval` is the 95 % bootstrap percentile interval over candidates; None where these are too few.
    """

    value: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Agreement:
    """How one seed of a proxy ranks candidates, against the reference.

    Attributes:
        candidates: how many both have scored.
        tau: Kendall's tau-b.
        tau_better_half: the same among those that the reference puts into the better half.
        spearman: Spearman's rank correlation.
        top5_recall: the share of the reference's five best among the proxy's five best; None of five candidates.
    """

    candidates: int
    tau: Estimate
    tau_better_half: Estimate
    spearman: Estimate
    top5_recall: float | None


def agreement(scores: FloatArray, reference: FloatArray, *, own: bool = False, seed: int = 0) -> Agreement:
    """Compare each seed of a proxy with the mean over the reference's seeds; one that few candidates have is left out.

    Args:
        scores: (N, K) of the proxy.
        reference: (N, R).
        own: the columns are those of the reference itself, scored earlier or at its end: each is compared with the
            mean of the others, since its own noise is in both.
        seed: of the bootstrap.
    """
    pairs = [(column, _mean(np.delete(reference, k, 1) if own else reference)) for k, column in enumerate(scores.T)]
    there = [int(np.isfinite(x + y).sum()) for x, y in pairs]
    pairs = [pair for pair, count in zip(pairs, there, strict=True) if count >= COMPLETE * max(there)]
    both = np.isfinite(np.stack([x + y for x, y in pairs])).any(0)
    value = np.where(both, _mean(reference), np.nan)
    half = both & (value >= np.median(value[both])) if both.any() else both
    better = [(np.where(half, x, np.nan), y) for x, y in pairs]
    recalls = [top_recall(x, y) for x, y in pairs if np.isfinite(x + y).sum() > TOP]
    return Agreement(
        int(both.sum()),
        _estimate(kendall_tau, pairs, both, seed),
        _estimate(kendall_tau, better, half, seed),
        _estimate(spearman, pairs, both, seed),
        float(np.mean(recalls)) if recalls else None,
    )


def kendall_tau(x: FloatArray, y: FloatArray, counts: FloatArray | None = None) -> FloatArray:
    """Kendall's tau-b of (N,) and (N,), over what both have; NaN where either does not vary.

    Args:
        counts: (..., N), how often each candidate is in a sample; once each if not given.

    Returns:
        (...,) one tau per sample.
    """
    a, b, counts = *_signs(x, y), np.ones(len(x)) if counts is None else counts
    together, of_x, of_y = (((counts @ signs) * counts).sum(-1) for signs in (a * b, a * a, b * b))
    return _ratio(together, of_x * of_y)


def spearman(x: FloatArray, y: FloatArray, counts: FloatArray | None = None) -> FloatArray:
    """Spearman's rank correlation, ties at their mean rank; arguments and result are those of `kendall_tau`."""
    a, b, counts = *_signs(x, y), np.ones(len(x)) if counts is None else counts
    # twice the distance of a candidate's mean rank from the middle: how many are below it less how many are above
    of_x, of_y = counts @ a.T, counts @ b.T
    return _ratio((counts * of_x * of_y).sum(-1), (counts * of_x**2).sum(-1) * (counts * of_y**2).sum(-1))


def top_recall(x: FloatArray, y: FloatArray) -> float:
    """The share of y's five best among x's five best, over what both have; of equals, that to be expected by lot."""
    both = np.isfinite(x + y)
    first, second = (_among_best(v[both]) for v in (x, y))
    return float(first @ second) / TOP


def _among_best(values: FloatArray) -> FloatArray:
    """How likely each of (N,) is one of the five best, where lots decide among equals."""
    last = np.sort(values)[-TOP]
    above, equal = values > last, values == last
    return above + equal * (TOP - above.sum()) / equal.sum()


def intraclass(scores: FloatArray) -> float | None:
    """ICC(1,1), the share of a single score's variance that is between candidates rather than between seeds.

    One-way random effects (Shrout and Fleiss 1979, Psychological Bulletin 86, p. 423; McGraw and Wong 1996,
    Psychological Methods 1, p. 30); of candidates with fewer seeds than others, by the unbalanced analysis of
    variance (Donner 1986, International Statistical Review 54, p. 67). May be negative.

    Args:
        scores: (N, K).

    Returns:
        None where no candidate has two scores, or nothing varies.
    """
    there = np.isfinite(scores)
    unit = np.abs(scores[there]).max(initial=0) or 1.0  # squares of large scores would overflow
    rows = [row[has] / unit for row, has in zip(scores, there, strict=True) if has.any()]
    sizes = np.array([len(row) for row in rows])
    total, groups = int(sizes.sum()), len(rows)
    if groups < 2 or total == groups:
        return None
    means = np.array([row.mean() for row in rows])
    grand = float(np.concatenate(rows).mean())
    between = float((sizes * (means - grand) ** 2).sum()) / (groups - 1)
    within = sum(float(((row - row.mean()) ** 2).sum()) for row in rows) / (total - groups)
    size = (total - (sizes**2).sum() / total) / (groups - 1)
    spread = between + (size - 1) * within
    return float((between - within) / spread) if spread else None


def intraclass_of_mean(single: float, seeds: int) -> float | None:
    """ICC(1,k), the same share of the mean of `seeds` scores, by the formula of Spearman and Brown.

    Returns:
        None where the candidates' means do not vary at all.
    """
    spread = 1 + (seeds - 1) * single
    return seeds * single / spread if spread > 1e-9 else None


def _signs(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(N, N) each: whether the row's candidate is above (1) or below (-1) the column's; 0 where either is missing."""
    both = np.isfinite(x + y)
    known = np.outer(both, both)
    a, b = (np.where(known, np.sign(np.subtract.outer(v, v)), 0.0) for v in (x, y))
    return a, b


def _ratio(part: FloatArray, squared: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return np.asarray(part / np.sqrt(squared))


def _estimate(
    statistic: Callable[..., FloatArray],
    pairs: Sequence[tuple[FloatArray, FloatArray]],
    among: NDArray[np.bool_],
    seed: int,
) -> Estimate:
    """The statistic's mean over the pairs for which it is defined, over candidates as they are and as resampled."""
    n = int(among.sum())
    if n < 2:
        return Estimate(None, None)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    samples = np.vstack([np.ones(n), counts])
    values = _mean(np.stack([statistic(x[among], y[among], samples) for x, y in pairs], 1))
    if not np.isfinite(values[0]):
        return Estimate(None, None)
    if n < FEWEST_CANDIDATES:
        return Estimate(float(values[0]), None)
    low, high = np.nanquantile(values[1:], ((1 - _COVERAGE) / 2, (1 + _COVERAGE) / 2))
    return Estimate(float(values[0]), (float(low), float(high)))


def _mean(scores: FloatArray) -> FloatArray:
    """(N, K) -> (N,): the mean of what is there; NaN where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of rows that are empty
        return np.asarray(np.nanmean(scores, 1))
