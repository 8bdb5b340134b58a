"""What every proxy promises to a search."""

import math
import pickle
from collections.abc import Callable

import pytest

from nas.data.digits import DigitsConfig, digits
from nas.search.types import Proxy
from nas.training.recipe import Recipe
from proxies.cost import CostConfig, CostProxy
from proxies.short_train import ShortTrain, ShortTrainConfig
from proxies.zero_cost.proxy import ZeroCost, ZeroCostConfig
from search_spaces.genotype import Genotype, Scale
from search_spaces.ops import GenotypeError
from search_spaces.zoo import zoo

SCALE = Scale(width=1 / 16, output_width=32, head_depth=1)
SEEDLESS = {"cost"}
"""Those that count and draw nothing."""


def _short_train() -> Proxy:
    config = ShortTrainConfig(scale=SCALE, steps=4, rungs=2, recipe=Recipe(batch_size=4))
    return ShortTrain.prepare(config, digits(DigitsConfig(train_images=8, val_images=4)))


def _zero_cost() -> Proxy:
    config = ZeroCostConfig(scale=SCALE, batch_size=4)
    return ZeroCost.prepare(config, digits(DigitsConfig(train_images=8, val_images=1)))


def _cost() -> Proxy:
    return CostProxy.prepare(CostConfig(scale=SCALE), digits(DigitsConfig(train_images=1, val_images=1)))


PROXIES: dict[str, Callable[[], Proxy]] = {"short_train": _short_train, "zero_cost": _zero_cost, "cost": _cost}


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


@pytest.mark.parametrize("proxy", PROXIES, indirect=True)
def test_a_seed_gives_the_same_scores_again_and_another_seed_others(
    proxy: Proxy, genotype: Genotype, request: pytest.FixtureRequest
) -> None:
    first, again, other = (list(proxy.evaluate(genotype, seed=seed, device="cpu")) for seed in (1, 1, 2))
    assert first == again
    assert (first == other) == (request.node.callspec.params["proxy"] in SEEDLESS)


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
