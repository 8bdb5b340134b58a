"""The configuration of a search: objectives, resources, store, and older versions."""

import pytest

from experiments.run.config import SearchConfig
from proxies.config import ShortTrainConfig, ZeroCostConfig
from proxies.cost import CostConfig
from proxies.own import OwnConfig
from proxies.registry import PROXIES
from search_spaces.genotype import Scale


@pytest.mark.parametrize(
    ("named", "directions"),
    [
        ((), {"ap": "max", "gmacs": "min"}),
        (("ap",), {"ap": "max"}),
        (("loss",), {"loss": "min"}),
        (("ap", "gmacs"), {"ap": "max", "gmacs": "min"}),
        (("mparams", "ap50", "loss"), {"mparams": "min", "ap50": "max", "loss": "min"}),
    ],
)
def test_the_first_objective_named_ranks_trials(named: tuple[str, ...], directions: dict[str, str]) -> None:
    config = SearchConfig(objectives=named)
    found = config.chosen(config.proxy.offered) or config.proxy.objectives
    assert list(found.items()) == list(directions.items())


def test_a_configuration_survives_json() -> None:
    config = SearchConfig.model_validate({"objectives": ["loss"], "limits": {"gmacs": [0.04, 0.05]}})
    assert SearchConfig.model_validate_json(config.model_dump_json()) == config


def test_gpus_per_trial_are_a_fraction_or_a_whole_number() -> None:
    assert SearchConfig(gpus_per_trial=0.25).gpus_per_trial == 0.25
    assert SearchConfig(gpus_per_trial=2).gpus_per_trial == 2
    with pytest.raises(ValueError, match=r"cannot reserve 1\.5 GPUs: give a whole number, or a fraction of one"):
        SearchConfig(gpus_per_trial=1.5)


def test_a_latency_objective_needs_a_measured_latency() -> None:
    with pytest.raises(ValueError, match="latency_ms is only measured with"):
        SearchConfig(objectives=("ap", "latency_ms"))
    assert SearchConfig.model_validate({"objectives": ["ap", "latency_ms"], "proxy": {"latency": True}}).objectives
    with pytest.raises(ValueError, match="no score 'latency_ms'"):
        SearchConfig(proxy=CostConfig(), objectives=("gmacs", "latency_ms"))


@pytest.mark.parametrize("by", PROXIES)
def test_a_cluster_address_selects_ray(by: str) -> None:
    assert SearchConfig.model_validate({"by": by, "ray_address": "auto"}).runs_on == "ray"
    for runner in ("pool", "local"):
        with pytest.raises(ValueError, match=f"ray_address: the runner {runner} uses no cluster: leave 'auto' out"):
            SearchConfig.model_validate({"by": by, "ray_address": "auto", "runner": runner})


def test_the_local_runner_runs_one_trial_at_a_time() -> None:
    assert SearchConfig(runner="local", concurrent=1).concurrent == 1
    with pytest.raises(ValueError, match="concurrent: the runner local runs one trial at a time, not 2; give another"):
        SearchConfig(runner="local", concurrent=2)


@pytest.mark.parametrize("store", ["sqlite://", "sqlite:///:memory:", ":memory:"])
def test_a_store_in_memory_is_refused(store: str) -> None:
    with pytest.raises(ValueError, match=f"store '{store}' is in memory and would be lost"):
        SearchConfig(store=store)


OLD = {
    "trials": 4,
    "strategy": {"name": "evolution", "population": 5, "tournament": 3, "crossover": 0.0, "warm_up": 4, "pool": 64},
    "proxy": {"scale": {"width": 0.25}, "image_size": 64, "steps": 8, "rungs": 2},
    "zero_cost": {"image_size": 64, "scores": ["zen"]},
    "cost": {"image_size": 128},
}
"""A configuration of version 0.1, which held the settings of all proxies and strategies; shortened."""


@pytest.mark.parametrize(
    ("by", "proxy"),
    [
        ("short_train", ShortTrainConfig(scale=Scale(width=0.25), image_size=64, steps=8, rungs=2)),
        ("zero_cost", ZeroCostConfig(image_size=64, scores=("zen",))),
        ("cost", CostConfig(image_size=128)),
        (
            "search_spaces.fpn:FpnSpace",
            OwnConfig(path="search_spaces.fpn:FpnSpace", scale=Scale(width=0.25), image_size=64),
        ),
    ],
)
def test_a_configuration_of_version_0_1_is_read(by: str, proxy: object) -> None:
    config = SearchConfig.model_validate({**OLD, "by": by})
    assert config.proxy == proxy
    idle = None if by == "short_train" else ShortTrainConfig.model_validate(OLD["proxy"])
    assert config.retraining == idle, "the recipe from which `nas train` starts"
    assert config.strategy.model_dump() == {"name": "evolution", "population": 5, "tournament": 3, "crossover": 0.0}
    assert SearchConfig.model_validate_json(config.model_dump_json()) == config
