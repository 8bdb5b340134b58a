"""The contract of every proxy, and of short trainings in particular."""

import math
from dataclasses import replace

import pytest

from experiments.contracts.proxies import PROXY
from nas.data.digits.scenes import DigitsConfig, digits
from nas.search.types import Proxy
from nas.seeds import nth_seed
from nas.training.recipe import Recipe
from proxies.config import ProxyConfig, ShortTrainConfig, ZeroCostConfig
from proxies.registry import PROXIES
from proxies.short_train import ShortTrain
from search_spaces.genotype import Scale
from search_spaces.ops import GenotypeError, op
from search_spaces.zoo import zoo

SCALE = Scale(width=1 / 16, output_width=32, head_depth=1)
SHORT_TRAIN = ShortTrainConfig(scale=SCALE, steps=4, rungs=2, recipe=Recipe(batch_size=4))
SMALL: dict[str, ProxyConfig] = {"short_train": SHORT_TRAIN, "zero_cost": ZeroCostConfig(scale=SCALE, batch_size=4)}
"""Settings with which the proxies that read images take seconds."""
DATA = DigitsConfig(train_images=8, val_images=4)


def settings(kind: str) -> ProxyConfig:
    return SMALL.get(kind) or PROXIES[kind].in_search(SHORT_TRAIN)


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request: pytest.FixtureRequest) -> Proxy:
    return settings(request.param).prepare(digits(DATA))


@pytest.mark.parametrize("promise", PROXY)
def test_a_proxy_keeps_its_promises(proxy: Proxy, promise: str) -> None:
    PROXY[promise](proxy)


@pytest.mark.parametrize("proxy", SMALL, indirect=True)
def test_another_seed_gives_other_scores(proxy: Proxy) -> None:
    first, other = (list(proxy.evaluate(zoo("fpn").genotype, seed=seed, device="cpu")) for seed in (1, 2))
    assert first != other


def test_short_training_refuses_a_scale_that_does_not_suit_its_head() -> None:
    config = ShortTrainConfig(scale=Scale(output_width=48))
    proxy = ShortTrain.prepare(config, digits(DATA))
    with pytest.raises(GenotypeError, match="output_width"):
        next(iter(proxy.evaluate(zoo("fpn").genotype, seed=0, device="cpu")))


def test_measuring_latency_does_not_change_a_training() -> None:
    data, config = digits(DATA), SHORT_TRAIN
    plain, timed = (
        list(c.prepare(data).evaluate(zoo("fpn").genotype, seed=1, device="cpu"))
        for c in (config, config.model_copy(update={"latency": True}))
    )
    assert len({scores["latency_ms"] for scores in timed}) == 1
    assert all(0 < scores["latency_ms"] < math.inf for scores in timed)
    assert [{name: scores[name] for name in plain[0]} for scores in timed] == plain


@pytest.mark.parametrize("head", ["fcos", "faster_rcnn"])
def test_several_trainings_score_their_mean(head: str) -> None:
    """The scores are means at each rung, also for a head that samples from torch's global generator."""
    data, config = digits(DATA), SHORT_TRAIN
    genotype = replace(zoo("fpn").genotype, head=op(head))
    seeds = [nth_seed(7, number) for number in range(3)]
    assert len({*seeds}) == 3
    assert seeds[0] == 7
    alone = [list(config.prepare(data).evaluate(genotype, seed=seed, device="cpu")) for seed in seeds]
    several = config.model_copy(update={"trainings": 3}).prepare(data)
    for scores, *each in zip(several.evaluate(genotype, seed=7, device="cpu"), *alone, strict=True):
        assert scores == pytest.approx({name: sum(one[name] for one in each) / 3 for name in scores})


@pytest.mark.parametrize("name", PROXIES)
def test_every_offered_objective_is_scored(name: str) -> None:
    config = settings(name)
    if isinstance(config, ShortTrainConfig):
        config = config.model_copy(update={"latency": True})
    proxy = config.prepare(digits(DATA))
    scores = next(iter(proxy.evaluate(zoo("fpn").genotype, seed=0, device="cpu")))
    assert set(config.offered) <= set(scores)
    assert config.objectives.items() <= config.offered.items()
