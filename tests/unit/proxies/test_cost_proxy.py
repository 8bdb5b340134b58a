"""Cost as a proxy."""

import pytest

from nas.search.runners.local import LocalRunner
from proxies.cost import CostConfig, CostProxy
from proxies.pool import evaluate_all
from search_spaces.genotype import Scale
from search_spaces.zoo import zoo


def test_scores_equal_published_costs_in_their_units() -> None:
    """SpineNet-49 at 640 px: 28.5 M parameters, 85.4 B multiply-adds (arXiv 1912.05027, Table 2)."""
    entry = zoo("spinenet-49")
    proxy = CostProxy(CostConfig(scale=entry.scale, image_size=640), entry.num_classes)
    (scores,) = proxy.evaluate(entry.genotype, seed=0, device="cpu")
    assert scores["mparams"] == pytest.approx(28.5, abs=0.1)
    assert scores["gmacs"] == pytest.approx(85.4, rel=0.005)
    # the stem's first convolution alone has an output of 64 x 320 x 320
    assert 64 * 320**2 * 4 / 2**20 < scores["activation_mib"] < 4000
    assert scores["peak_memory_mib"] > scores["mparams"] * 4e6 / 2**20


def test_a_scale_that_does_not_suit_the_head_is_refused() -> None:
    proxy = CostProxy(CostConfig(scale=Scale(output_width=48)), 10)
    (report,) = evaluate_all(proxy, [zoo("fpn").genotype], runner=LocalRunner())
    fault = "scale.output_width: 48 is not a multiple of 32, as an fcos head needs: use 64"
    assert report.error == f"GenotypeError: {fault}"
