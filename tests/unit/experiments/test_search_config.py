"""What a search's configuration says of its objectives."""

import pytest

from experiments.run.config import SearchConfig


@pytest.mark.parametrize(
    ("named", "directions", "compared"),
    [
        ((), {"ap": "max", "gmacs": "min"}, ["ap"]),
        (("ap",), {"ap": "max"}, ["ap"]),
        (("loss",), {"loss": "min"}, ["loss"]),
        (("ap", "gmacs"), {"ap": "max", "gmacs": "min"}, ["ap", "gmacs"]),
        (("mparams", "ap50", "loss"), {"mparams": "min", "ap50": "max", "loss": "min"}, ["mparams", "ap50", "loss"]),
    ],
)
def test_named_objectives_decide_what_is_given_up(
    named: tuple[str, ...], directions: dict[str, str], compared: list[str]
) -> None:
    """Where none is named, AP alone does, and multiply-adds are an objective beside it."""
    config = SearchConfig(objectives=named)
    found = config.chosen(config.proxy.offered) or config.proxy.objectives
    assert list(found.items()) == list(directions.items()), "the first one ranks trials"
    assert list(config.compared(found)) == compared
    assert config.compared(found).items() <= found.items()


def test_a_written_configuration_is_read_as_it_was() -> None:
    config = SearchConfig.model_validate({"objectives": ["loss"], "limits": {"gmacs": [0.04, 0.05]}})
    assert SearchConfig.model_validate_json(config.model_dump_json()) == config


def test_gpus_are_shared_or_whole() -> None:
    assert SearchConfig(gpus_per_trial=0.25).gpus_per_trial == 0.25
    assert SearchConfig(gpus_per_trial=2).gpus_per_trial == 2
    with pytest.raises(ValueError, match=r"cannot reserve 1\.5 GPUs: give a whole number, or a fraction of one"):
        SearchConfig(gpus_per_trial=1.5)


def test_a_latency_has_to_be_asked_for() -> None:
    with pytest.raises(ValueError, match="latency_ms is only measured with"):
        SearchConfig(objectives=("ap", "latency_ms"))
    assert SearchConfig.model_validate({"objectives": ["ap", "latency_ms"], "proxy": {"latency": True}}).objectives
    with pytest.raises(ValueError, match="no score 'latency_ms'"):
        SearchConfig(by="cost", objectives=("gmacs", "latency_ms"))


@pytest.mark.parametrize("by", ["short_train", "zero_cost", "cost"])
def test_an_address_is_rays(by: str) -> None:
    assert SearchConfig(by=by, ray_address="auto").runs_on == "ray"
    for runner in ("pool", "local"):
        with pytest.raises(ValueError, match=f"ray_address: the runner {runner} uses no cluster: leave 'auto' out"):
            SearchConfig.model_validate({"by": by, "ray_address": "auto", "runner": runner})


def test_one_process_has_one_trial_at_a_time() -> None:
    assert SearchConfig(runner="local", concurrent=1).concurrent == 1
    with pytest.raises(ValueError, match="concurrent: the runner local runs one trial at a time, not 2; give another"):
        SearchConfig(runner="local", concurrent=2)


@pytest.mark.parametrize("store", ["sqlite://", "sqlite:///:memory:", ":memory:"])
def test_a_store_is_a_database_that_stays(store: str) -> None:
    with pytest.raises(ValueError, match=f"store '{store}' is in memory and would be lost"):
        SearchConfig(store=store)
