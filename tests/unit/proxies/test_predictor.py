"""The predictor on synthetic rules, and on real scores if the table is available."""

import json
import random
from collections.abc import Mapping

import numpy as np
import pytest
from scipy.stats import kendalltau

from proxies.predictor.ensemble import FEWEST, Ensemble, cross_validate
from proxies.predictor.features import Vector, features
from search_spaces.choose import sample
from search_spaces.genotype import Genotype
from search_spaces.registry import SPACES
from tests.support import shared_data


def drawn(space: str, count: int, seed: int = 0) -> list[Genotype]:
    return [sample(SPACES[space], random.Random(f"{seed}/{i}")).value for i in range(count)]


def planted(genotype: Genotype) -> float:
    """A score that no single feature states: rewards ASFF and short paths from coarse levels to fine ones."""
    reach = {"stem2": 0.0}
    for node in genotype.live:
        gains = [
            reach[edge.source] + max(0, genotype.by_name[edge.source].level - node.level)
            for edge in node.inputs
            if edge.source in genotype.by_name
        ]
        reach[node.name] = 0.8 * max([0.0, *gains]) + (node.fuse.name == "asff")
    return sum(reach[name] for name in genotype.outputs)


def noisy(scores: list[float], rng: np.random.Generator) -> list[float]:
    return list(scores + rng.normal(size=len(scores)) * np.std(scores) * 0.3)


def tau(predictor: Ensemble[Genotype], genotypes: list[Genotype]) -> float:
    return float(kendalltau(predictor.predict(genotypes)[0], [planted(g) for g in genotypes]).statistic)


def test_a_synthetic_rule_is_learned() -> None:
    """Tau grows with the training set, at any scale of scores; over five draws it is .57 +- .05."""
    genotypes = drawn("joint", 100)
    scores = noisy([planted(g) for g in genotypes], np.random.default_rng(0))
    few, many, warped = (Ensemble(features) for _ in range(3))
    few.fit(genotypes[:10], scores[:10], seed=0)
    many.fit(genotypes, scores, seed=0)
    warped.fit(genotypes, list(np.exp(scores)), seed=0)
    unseen = drawn("joint", 100, seed=1)
    assert tau(many, unseen) > 0.4
    assert tau(many, unseen) > tau(few, unseen)
    assert np.array_equal(warped.predict(unseen), many.predict(unseen))


def test_deviation_grows_with_the_distance_from_the_training_set() -> None:
    genotypes = drawn("spinenet", 40)
    predictor = Ensemble(features)
    predictor.fit(genotypes, [planted(g) for g in genotypes], seed=0)
    learned, near, far = (
        predictor.predict(members)[1].mean()
        for members in (genotypes, drawn("spinenet", 20, seed=1), drawn("nas-fpn", 5))
    )
    assert learned < near < far


def test_a_new_fit_replaces_the_earlier_one() -> None:
    genotypes, unseen = drawn("joint", 30), drawn("joint", 5, seed=1)
    scores = [planted(g) for g in genotypes]
    fresh, used = Ensemble(features), Ensemble(features)
    fresh.fit(genotypes, scores, seed=0)
    used.fit(genotypes, scores[::-1], seed=0)
    used.fit(genotypes, scores, seed=2**32)  # a seed may be any whole number
    assert np.array_equal(fresh.predict(unseen), used.predict(unseen))


def test_equal_scores_give_equal_predictions() -> None:
    genotypes = drawn("joint", 12)
    predictor = Ensemble(features)
    predictor.fit(genotypes, [0.5] * 12, seed=0)
    assert predictor.predict(genotypes)[0] == pytest.approx(0)
    assert cross_validate(features, genotypes, [0.5] * 12) is None


@pytest.mark.parametrize(("count", "scores"), [(1, [0.5]), (3, [0.5, 0.6]), (0, [])])
def test_too_few_members_are_refused(count: int, scores: list[float]) -> None:
    message = f"{count} members with {len(scores)} scores: give at least two, and a score each"
    with pytest.raises(ValueError, match=message):
        Ensemble(features).fit(drawn("joint", count), scores, seed=0)


def test_cross_validation_distinguishes_a_rule_from_noise() -> None:
    genotypes = drawn("joint", 48)
    scores = [planted(g) for g in genotypes]
    held_out = cross_validate(features, genotypes, scores)
    assert held_out is not None
    assert held_out > 0.3  # over five draws .49 +- .04
    chances = [
        cross_validate(features, genotypes, list(np.random.default_rng(seed).normal(size=48))) for seed in range(3)
    ]
    assert abs(np.mean([chance for chance in chances if chance is not None])) < 0.25  # 0 +- .06
    assert cross_validate(features, genotypes[: FEWEST - 1], scores[: FEWEST - 1]) is None


@pytest.fixture(scope="module")
def accuracies() -> Mapping[str, float]:
    """Cells of NAS-Bench-201, six digits each, and their accuracy on CIFAR-10."""
    table = shared_data() / "bench" / "nasbench201_cifar10.json"
    if not table.is_file():
        pytest.skip(f"needs {table}")
    found: Mapping[str, float] = json.loads(table.read_text())["accuracy"]
    return found


def one_hot(cell: str) -> Vector:
    return np.eye(5)[[int(digit) for digit in cell]].ravel()


@pytest.mark.parametrize(("count", "reached"), [(50, 0.44), (100, 0.57), (200, 0.65)])
def test_cells_of_a_real_table_are_ranked(accuracies: Mapping[str, float], count: int, reached: float) -> None:
    """The mean tau of three draws is .52 +- .023, .62 +- .015 and .68 +- .008."""
    taus = []
    for seed in range(3):
        cells = random.Random(seed).sample(sorted(accuracies), count + 1000)
        learned, unseen = cells[:count], cells[count:]
        predictor = Ensemble(one_hot)
        predictor.fit(learned, [accuracies[cell] for cell in learned], seed=0)
        taus.append(kendalltau(predictor.predict(unseen)[0], [accuracies[cell] for cell in unseen]).statistic)
    assert np.mean(taus) > reached
