"""The Gaussian process over traces, compared with its textbook equations and on synthetic rules."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import kendalltau

from nas.search.strategies.trace_process import TraceProcess
from nas.search.types import Candidate
from search_spaces.choose import sample
from search_spaces.joint import JointSpace
from tests.unit.search.toys import DigitSpace

SPACE = DigitSpace(length=6, base=4)
WEIGHTS = (3, 1, 4, 1, 5, 9)


def drawn(count: int, seed: int = 0) -> list[Candidate]:
    members = [sample(SPACE, random.Random(f"{seed}/{i}")) for i in range(count)]
    return [Candidate(member.trace, member.value.key(), member.value) for member in members]


def ordered(member: Candidate) -> float:
    """The position of a digit matters."""
    return float(sum(w * (int(d) == 2) for w, d in zip(WEIGHTS, member.key, strict=True)))


def counted(member: Candidate) -> float:
    """Only the count of a digit matters."""
    return float(member.key.count("3") ** 2 + member.key.count("1"))


def tau(rule: Callable[[Candidate], float], count: int, noise: float = 0.0) -> float:
    learned, unseen = drawn(count), drawn(200, seed=1)
    rng = np.random.default_rng(0)
    process = TraceProcess()
    process.fit(learned, [rule(member) + noise * rng.normal() for member in learned], seed=0)
    return float(kendalltau(process.predict(unseen)[0], [rule(member) for member in unseen]).statistic)


def test_predictions_equal_those_of_the_textbook_equations() -> None:
    """Rasmussen and Williams 2006, equations 2.25 and 2.26, with the kernel computed pair by pair."""
    learned, unseen = drawn(40), drawn(20, seed=1)
    scores = [ordered(member) + counted(member) for member in learned]
    process = TraceProcess()
    process.fit(learned, scores, seed=0)
    kernel = process._kernel
    assert kernel.share > 0

    def k(first: Candidate, second: Candidate) -> float:
        differ = sum(a != b for a, b in zip(first.key, second.key, strict=True)) / 6
        alike = sum((first.key.count(d) - second.key.count(d)) ** 2 for d in "0123") / 12
        return float(
            (1 - kernel.share) * np.exp(-differ / kernel.length) + kernel.share * np.exp(-alike / kernel.length)
        )

    clipped = np.maximum(scores, 2 * np.median(scores) - max(scores))
    targets = (clipped - clipped.mean()) / clipped.std()
    covariance = np.array([[k(a, b) for b in learned] for a in learned]) + kernel.noise * np.eye(40)
    near = np.array([[k(a, b) for b in learned] for a in unseen])
    means, deviations = process.predict(unseen)
    assert means == pytest.approx(near @ np.linalg.solve(covariance, targets))
    variances = 1 - (near * np.linalg.solve(covariance, near.T).T).sum(1)
    assert deviations == pytest.approx((kernel.scale * variances) ** 0.5)


def test_synthetic_rules_are_learned() -> None:
    """Mean and deviation of tau over five draws: .949 +- .003, .861 +- .049, .852 +- .020, with noise .820 +- .020."""
    assert tau(ordered, 100) > 0.9
    assert 0.94 > tau(ordered, 25) > 0.6
    assert tau(counted, 25) > 0.7
    assert tau(ordered, 100, noise=3.0) > 0.7


def test_deviation_is_smaller_at_learned_members() -> None:
    learned = drawn(30)
    process = TraceProcess()
    process.fit(learned, [ordered(member) for member in learned], seed=0)
    assert process.predict(learned)[1].mean() < process.predict(drawn(30, seed=1))[1].mean()


def test_a_new_fit_replaces_the_earlier_one() -> None:
    learned, unseen = drawn(60), drawn(10, seed=1)
    scores = [ordered(member) for member in learned]
    fresh, used = TraceProcess(), TraceProcess()
    fresh.fit(learned, scores, seed=0)
    for count in (20, 45, 60):
        used.fit(learned[:count], scores[:count][::-1], seed=0)
        used.fit(learned[:count], scores[:count], seed=0)
    assert np.array_equal(fresh.predict(unseen), used.predict(unseen))


def test_traces_with_dependent_decisions_are_learned() -> None:
    members = [sample(JointSpace(), random.Random(seed)) for seed in range(64)]
    candidates = [Candidate(member.trace, member.value.key(), member.value) for member in members]
    scores = [float(sum(value == "asff" for value in member.trace.values())) for member in members]
    process = TraceProcess()
    process.fit(candidates[:32], scores[:32], seed=0)
    means, deviations = process.predict(candidates[32:])
    assert kendalltau(means, scores[32:]).statistic > 0.4  # over five draws .72 +- .09
    assert (deviations > 0).all()


def test_equal_scores_give_equal_predictions() -> None:
    learned = drawn(12)
    process = TraceProcess()
    process.fit(learned, [0.5] * 12, seed=0)
    assert process.predict(learned)[0] == pytest.approx(0)


@pytest.mark.parametrize(("count", "scores"), [(1, [0.5]), (3, [0.5, 0.6]), (0, [])])
def test_too_few_members_are_refused(count: int, scores: list[float]) -> None:
    message = f"{count} members with {len(scores)} scores: give at least two, and a score each"
    with pytest.raises(ValueError, match=message):
        TraceProcess().fit(drawn(count), scores, seed=0)
