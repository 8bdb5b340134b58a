"""Every check of a contract can fail: `breakers` has an object that breaks each promise."""

from collections.abc import Mapping
from typing import Any

import pytest

from experiments.contracts.contract import Contract, Outcome, outcomes
from experiments.contracts.proxies import PROXY
from experiments.contracts.spaces import GENOTYPES, KEYED, NAMED
from experiments.contracts.strategies import STRATEGY
from tests.contracts.breakers import (
    GENOTYPE_SPACES,
    NAMED_SPACES,
    PROXIES,
    SPACES,
    STRATEGIES,
    Judge,
    Made,
    Pair,
    Random,
    Timed,
    constant,
    corner,
    counts,
    dependent,
    pair,
)

CONTRACTS: Mapping[str, tuple[Contract[Any], Mapping[str, Any]]] = {
    "space": (KEYED, SPACES),
    "space by its name": (NAMED, NAMED_SPACES),
    "space of genotypes": (GENOTYPES, GENOTYPE_SPACES),
    "strategy": (STRATEGY, STRATEGIES),
    "proxy": (PROXY, PROXIES),
}


def fault(kind: str, promise: str, subject: object) -> str | None:
    contract, _ = CONTRACTS[kind]
    (outcome,) = outcomes({promise: contract[promise]}, subject)
    return outcome.fault


@pytest.mark.parametrize(
    ("kind", "promise"), [(kind, promise) for kind, (contract, _) in CONTRACTS.items() for promise in contract]
)
def test_a_broken_promise_is_reported(kind: str, promise: str) -> None:
    said = fault(kind, promise, CONTRACTS[kind][1][promise])
    assert said
    assert ": " in said, "the message is the fault, then its fix"
    assert not said.startswith(("TypeError", "AttributeError", "NameError")), "the breaker itself is broken"


@pytest.mark.parametrize("kind", ["space", "space by its name", "strategy", "proxy"])
def test_an_object_that_keeps_every_promise_passes(kind: str) -> None:
    subject = {"space": Made(pair), "space by its name": "joint", "strategy": Random, "proxy": Judge({"ap": "max"})}[
        kind
    ]
    contract, _ = CONTRACTS[kind]
    assert list(outcomes(contract, subject)) == [Outcome(promise) for promise in contract]


def test_a_measured_time_may_differ_between_evaluations() -> None:
    assert list(outcomes(PROXY, Timed({"ap": "max"}))) == [Outcome(promise) for promise in PROXY]


@pytest.mark.parametrize(
    ("promise", "space", "says"),
    [
        ("a seed determines the sample", Made(constant), "members of the same key"),
        ("a seed determines the sample", Made(counts), "use no source of choice but `choose`"),
        ("a trace rebuilds its member, even from JSON", Made(counts), "use no source of choice but `choose`"),
        ("a decision always has the same options", Made(dependent), "'second' has options [0, 1"),
        (
            "a decision always has the same options",
            Made(lambda choose: Pair(choose("first", (1, 1)), 0)),
            "offers an option twice in [1, 1]: drop one",
        ),
        ("members are hashable and have a key", Made(lambda choose: Pair("long" * 60, 0)), "1 to 200 characters"),
        ("members are hashable and have a key", Made(counts), "use no source of choice but `choose`"),
        ("every option of every decision can be built", Made(corner), "first=100 with"),
        ("a crossover inherits from its parents", Made(counts), "use no source of choice but `choose`"),
        ("a mutation is another member, one decision away", Made(counts), "use no source of choice but `choose`"),
    ],
)
def test_a_fault_names_its_cause(promise: str, space: Made, says: str) -> None:
    assert says in (fault("space", promise, space) or "")


def test_an_exception_is_reported_with_its_location() -> None:
    def fails(subject: object) -> None:
        raise KeyError("level")

    assert next(outcomes({"works": fails}, None)).fault == (
        f"KeyError: 'level' (raised in test_broken.py:{fails.__code__.co_firstlineno + 1}): fix the code that raises it"
    )
