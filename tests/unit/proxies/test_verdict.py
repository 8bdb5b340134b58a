"""The conclusions of a ranking from its measurements."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from proxies.ranking.plan import REFERENCE
from proxies.ranking.verdict import Measured, best_within, cheapest, judge, pareto_optimal, unfinished


def settings_of(spreads: Mapping[str, tuple[float, float]], seeds: int = 3) -> list[Measured]:
    """Measured settings from (deviation of the noise, seconds), by name."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=30)
    return [
        Measured(
            name,
            "ap",
            tuple(range(seeds)),
            truth[:, None] + rng.normal(0, noise, (30, seeds)),
            np.full((30, seeds), seconds),
            {},
            own=name.startswith(REFERENCE),
        )
        for name, (noise, seconds) in spreads.items()
    ]


def test_the_cheapest_setting_that_reaches_the_tau_is_found() -> None:
    spreads = {"reference": (0.05, 100.0), "a": (0.1, 20.0), "b": (0.05, 40.0), "c": (2.0, 1.0)}
    verdicts = judge(settings_of(spreads), seed=0)
    offer = cheapest(verdicts, 0.8)
    assert offer is not None
    assert (offer.setting, offer.seeds, offer.cost) == ("a", 1, pytest.approx(0.2))
    surest = cheapest(verdicts, 0.9, sure=True)
    assert surest is not None
    assert surest.agreement.tau.interval is not None
    assert surest.agreement.tau.interval[0] >= 0.9
    assert surest.cost > 0.2
    assert cheapest(verdicts, 0.99) is None


def test_the_best_setting_within_a_budget_and_the_pareto_optimal_ones() -> None:
    spreads = {"reference": (0.05, 100.0), "a": (0.1, 20.0), "b": (0.05, 40.0), "c": (2.0, 1.0), "beaten": (1.0, 30.0)}
    verdicts = judge(settings_of(spreads), seed=0)
    assert [v.measured.name for v in pareto_optimal(verdicts)] == ["c", "a", "b"]
    within = [best_within(verdicts, cost) for cost in (0.005, 0.015, 0.25, 9.0)]
    assert [offer and (offer.setting, offer.seeds) for offer in within] == [None, ("c", 1), ("a", 1), ("b", 3)]


def test_settings_no_better_than_chance_or_with_few_candidates_are_not_offered() -> None:
    found = settings_of({"reference": (0.05, 100.0), "a": (0.05, 10.0)})
    backwards = replace(found[1], scores=-found[1].scores)
    assert best_within(judge([found[0], backwards], seed=0), 1.0) is None
    few = judge([replace(each, scores=each.scores[:9], seconds=each.seconds[:9]) for each in found], seed=0)
    assert best_within(few, 1.0) is cheapest(few, 0.5) is None


def test_several_seeds_of_a_cheap_proxy_may_be_cheaper_than_one_of_another() -> None:
    spreads = {"reference": (0.01, 100.0), "cheap": (0.3, 1.0), "dear": (0.01, 50.0)}
    offer = cheapest(judge(settings_of(spreads, seeds=8), seed=0), 0.85)
    assert offer is not None
    assert (offer.setting, offer.seeds, offer.cost) == ("cheap", 8, pytest.approx(0.08))


def test_settings_and_seeds_with_few_candidates_are_not_compared() -> None:
    """Two candidates agree perfectly by chance, so neither a setting nor a seed with two is compared."""
    spreads = {"reference": (0.05, 100.0), "a": (0.1, 20.0), "early": (5.0, 1.0), "seed": (1.0, 10.0)}
    found = settings_of(spreads)
    found[2].scores[2:] = np.nan
    found[3].scores[2:, 1:] = np.nan
    verdicts = judge(found, seed=0)
    assert [verdict.measured.name for verdict in unfinished(verdicts)] == ["early"]
    assert [verdict.measured.name for verdict in pareto_optimal(verdicts)] == ["seed", "a"]
    alone = replace(found[3], scores=found[3].scores[:, :1], seeds=(0,))
    assert verdicts[3].one_seed == judge([found[0], alone], seed=0)[1].one_seed
    offer = best_within(verdicts, 9.0)
    assert offer is not None
    assert offer.setting == "a"
