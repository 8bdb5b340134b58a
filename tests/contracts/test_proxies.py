"""What every proxy promises to a search."""

import math
import pickle
from collections.abc import Callable

import pytest

from nas.data.digits import DigitsConfig, digits
from nas.search.types import Proxy
from nas.training.recipe import Recipe
from proxies.short_train import ShortTrain, ShortTrainConfig
from search_spaces.genotype import Genotype, Scale
from search_spaces.ops import GenotypeError
from search_spaces.zoo import zoo


def _short_train() -> Proxy:
    config = ShortTrainConfig(
        scale=Scale(width=1 / 16, output_width=32, head_depth=1), steps=4, rungs=2, recipe=Recipe(batch_size=4)
    )
    return ShortTrain.prepare(config, digits(DigitsConfig(train_images=8, val_images=4)))


PROXIES: dict[str, Callable[[], Proxy]] = {"short_train": _short_train}


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request: pytest.FixtureRequest) -> Proxy:
    return PROXIES[request.param]()


@pytest.fixture(scope="module")
def genotype() -> Genotype:
    return zoo("fpn").genotype


def test_it_yields_its_objectives_once_per_step(proxy: Proxy, genotype: Genotype) -> None:
    reports = list(proxy.evaluate(genotype, seed=0, device="cpu"))
    assert len(reports) == proxy.steps
    for scores in reports:
        assert set(proxy.objectives) <= set(scores)
        assert all(isinstance(value, float) and math.isfinite(value) for value in scores.values())


def test_a_seed_gives_the_same_scores_again_and_another_seed_others(proxy: Proxy, genotype: Genotype) -> None:
    first, again, other = (list(proxy.evaluate(genotype, seed=seed, device="cpu")) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_it_travels_to_a_worker(proxy: Proxy, genotype: Genotype) -> None:
    sent = pickle.loads(pickle.dumps(proxy))
    assert next(iter(sent.evaluate(genotype, seed=0, device="cpu"))) == next(
        iter(proxy.evaluate(genotype, seed=0, device="cpu"))
    )


def test_objectives_are_told_before_any_evaluation(proxy: Proxy) -> None:
    assert proxy.objectives
    assert set(proxy.objectives.values()) <= {"max", "min"}


def test_short_training_refuses_a_scale_its_head_cannot_have(genotype: Genotype) -> None:
    config = ShortTrainConfig(scale=Scale(output_width=48))
    proxy = ShortTrain.prepare(config, digits(DigitsConfig(train_images=8, val_images=4)))
    with pytest.raises(GenotypeError, match="output_width"):
        next(iter(proxy.evaluate(genotype, seed=0, device="cpu")))
