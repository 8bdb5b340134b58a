"""Rank and intraclass correlations and their intervals, compared with published tables and scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from proxies.ranking.agreement import (
    agreement,
    intraclass,
    intraclass_of_mean,
    kendall_tau,
    spearman,
    top_recall,
)

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], np.float64
)
"""Six targets rated by four judges (Shrout and Fleiss 1979, Table 2)."""

few_values = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=12)


@given(few_values)
def test_rank_correlations_equal_scipy_s_with_ties_too(points: list[tuple[int, int]]) -> None:
    x, y = np.array(points, np.float64).T
    varies = len(set(x)) > 1 and len(set(y)) > 1
    assert np.isfinite(kendall_tau(x, y)) == np.isfinite(spearman(x, y)) == varies
    if varies:
        assert kendall_tau(x, y) == pytest.approx(stats.kendalltau(x, y).statistic)
        assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


@given(few_values, st.integers(0, 9))
def test_counts_act_as_repeated_candidates(points: list[tuple[int, int]], seed: int) -> None:
    x, y = np.array(points, np.float64).T
    counts = np.random.default_rng(seed).integers(0, 3, (4, len(x)))
    for statistic in (kendall_tau, spearman):
        repeated = [statistic(np.repeat(x, row), np.repeat(y, row)) for row in counts]
        np.testing.assert_allclose(statistic(x, y, counts.astype(np.float64)), repeated, atol=1e-12)


def test_missing_scores_are_left_out() -> None:
    x, y = np.array([1, 2, 3, np.nan, 9]), np.array([2, 1, 4, 0, np.nan])
    assert kendall_tau(x, y) == pytest.approx(stats.kendalltau(x[:3], y[:3]).statistic)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x[:3], y[:3]).statistic)


def test_intraclass_correlations_of_shrout_and_fleiss() -> None:
    """Their Table 4: ICC(1,1) = .17 and ICC(1,4) = .44."""
    single = intraclass(SHROUT_FLEISS)
    assert single is not None
    assert round(single, 2) == 0.17
    assert intraclass_of_mean(single, 4) == pytest.approx(0.44, abs=0.005)


def test_intraclass_correlation_of_unequal_numbers_of_seeds() -> None:
    """By hand: rows (1, 3), (5), (6, 8, 10); between 43.5 / 2, within 10 / 3, mean size (6 - 14 / 6) / 2."""
    nan = np.nan
    scores = np.array([[1, nan, 3], [5, nan, nan], [6, 8, 10], [nan, nan, nan]])
    between, within, size = (2 * 3.5**2 + 0.5**2 + 3 * 2.5**2) / 2, 10 / 3, (6 - 14 / 6) / 2
    assert intraclass(scores) == pytest.approx((between - within) / (between + (size - 1) * within))


def test_an_intraclass_correlation_needs_repetition() -> None:
    assert intraclass(np.array([[1.0], [2.0]])) is None
    assert intraclass(np.array([[1.0, 2.0]])) is None
    assert intraclass(np.ones((3, 2))) is None


def test_intraclass_correlation_of_equal_means_is_undefined() -> None:
    single = intraclass(np.array([[1.0, 3.0], [3.0, 1.0], [0.0, 4.0]]))
    assert single == -1
    assert intraclass_of_mean(single, 2) is None


def test_top_recall() -> None:
    x = np.array([9, 8, 7, 6, 5, 4, 3, 2], np.float64)
    y = np.array([1, 8, 7, 6, 2, 9, 3, 5], np.float64)
    assert top_recall(x, y) == 3 / 5
    assert top_recall(x, x) == 1


def noisy(truth: np.ndarray, spread: float, seeds: int, rng: np.random.Generator) -> np.ndarray:
    return truth[:, None] + rng.normal(0, spread, (len(truth), seeds))


def test_ties_among_the_best_count_in_expectation() -> None:
    """Constant scores find 5 of 20 by chance, regardless of their order."""
    rising = np.arange(20.0)
    assert top_recall(np.zeros(20), rising) == top_recall(np.zeros(20), -rising) == pytest.approx(5 / 20)
    first = np.where(rising < 2, 1.0, 0.0)  # two are certain; three of the other 18 are found by chance
    assert top_recall(first, -rising) == pytest.approx((2 + 3 * 3 / 18) / 5)


def test_large_scores_do_not_overflow() -> None:
    scores = np.random.default_rng(0).normal(size=(8, 3))
    assert intraclass(scores * 1e301) == pytest.approx(intraclass(scores))


def test_each_seed_is_compared_with_the_mean_of_the_reference() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=12)
    scores, reference = noisy(truth, 0.5, 2, rng), noisy(truth, 0.1, 3, rng)
    found = agreement(scores, reference)
    target = reference.mean(1)
    half = target >= np.median(target)
    taus = [stats.kendalltau(column, target).statistic for column in scores.T]
    better = [stats.kendalltau(column[half], target[half]).statistic for column in scores.T]
    assert found.candidates == 12
    assert found.tau.value == pytest.approx(np.mean(taus))
    assert found.tau_better_half.value == pytest.approx(np.mean(better))
    assert found.spearman.value == pytest.approx(np.mean([stats.spearmanr(c, target).statistic for c in scores.T]))


def test_the_references_own_noise_does_not_count_as_agreement() -> None:
    """In pure noise, a seed agrees with a mean that includes it, but not with the mean of the others."""
    noise = np.random.default_rng(0).normal(size=(200, 3))
    flattered, honest = agreement(noise, noise).tau, agreement(noise, noise, own=True).tau
    assert flattered.value is not None
    assert honest.value is not None
    assert flattered.value > 0.3
    assert abs(honest.value) < 0.1
    assert agreement(noise[:, :1], noise[:, :1], own=True).tau.value is None


def test_intervals_have_about_their_nominal_coverage() -> None:
    """At 95 %, 13 misses in 100 samples have a probability of .001."""
    rng, tau = np.random.default_rng(0), 0.6
    rho = np.sin(np.pi * tau / 2)  # Greiner's relation for normal variables
    covered = 0
    for _ in range(100):
        points = rng.multivariate_normal((0, 0), [[1, rho], [rho, 1]], size=20)
        interval = agreement(points[:, :1], points[:, 1:]).tau.interval
        assert interval is not None
        covered += interval[0] <= tau <= interval[1]
    assert 100 - covered < 13


def test_the_same_seed_gives_the_same_interval() -> None:
    points = np.random.default_rng(0).normal(size=(15, 2))
    first, again, other = (agreement(points[:, :1], points[:, 1:], seed=seed).tau for seed in (1, 1, 2))
    assert first == again
    assert first.value == other.value
    assert first.interval != other.interval


def test_too_few_candidates_have_no_interval() -> None:
    points = np.random.default_rng(0).normal(size=(9, 2))
    tau = agreement(points[:, :1], points[:, 1:]).tau
    assert tau.value is not None
    assert tau.interval is None


@pytest.mark.parametrize("scores", [np.zeros((12, 2)), np.full((12, 2), np.nan), np.zeros((1, 2))])
def test_undefined_statistics_are_none(scores: np.ndarray) -> None:
    found = agreement(scores, np.arange(len(scores), dtype=np.float64)[:, None])
    assert (found.tau.value, found.tau.interval, found.spearman.value) == (None, None, None)
