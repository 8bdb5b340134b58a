"""Limits of a budget and the relative violation of them."""

import math

import pytest

from nas.cost import Cost
from proxies.budget import Budget, Limits
from proxies.config import ShortTrainConfig
from search_spaces.genotype import Scale
from search_spaces.zoo import zoo

PRICE = Cost(
    parameters=3_000_000,
    trainable_parameters=3_000_000,
    macs=50_000_000,
    activations=0,
    activation_bytes=2 * 2**20,
    peak_memory=4 * 2**20,
    image_size=96,
)


@pytest.mark.parametrize(
    ("limits", "excess"),
    [
        ({}, 0),
        ({"gmacs": [0.05]}, 0),
        ({"gmacs": [0.04]}, 0.25),
        ({"gmacs": [0.0625, 0.1]}, 0.2),
        ({"mparams": [1.0, 3.0]}, 0),
        ({"mparams": [2.0]}, 0.5),
        ({"activation_mib": [1.6]}, 0.25),
        ({"peak_memory_mib": [5.0, 6.0]}, 0.2),
        ({"gmacs": [0.04], "mparams": [2.0]}, 0.75),
    ],
)
def test_excess_sums_relative_violations(limits: dict[str, list[float]], excess: float) -> None:
    assert Limits.model_validate(limits).excess(PRICE) == pytest.approx(excess)


@pytest.mark.parametrize("bounds", [[2.0, 1.0], [-1.0], [1.0, 2.0, 3.0], [math.nan], [math.inf], [0.0], [0.0, 0.0]])
def test_invalid_limits_are_refused(bounds: list[float]) -> None:
    with pytest.raises(ValueError, match="give"):
        Limits(gmacs=tuple(bounds))


def test_unbuildable_genotypes_have_infinite_excess() -> None:
    """GroupNorm needs a multiple of 32 channels, level 7 at least 64 px, and a candidate enough memory."""
    genotype = zoo("fpn").genotype
    good = ShortTrainConfig()
    assert Budget(Limits(), good, 10)(genotype) == 0
    for bad in (
        good.model_copy(update={"scale": Scale(output_width=40)}),
        good.model_copy(update={"image_size": 32}),
        good.model_copy(update={"scale": Scale(width=16, output_width=8192)}),
    ):
        assert Budget(Limits(), bad, 10)(genotype) == math.inf
