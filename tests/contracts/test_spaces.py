"""The contract of every space, and the helpers over `choose`."""

import random
from dataclasses import dataclass
from typing import Any

import pytest

from experiments.contracts.spaces import GENOTYPES, KEYED, NAMED, SMALL
from nas.decode import decode
from search_spaces.choose import (
    Chooser,
    SearchSpace,
    SpaceExhausted,
    TraceError,
    crossover,
    mutate,
    neighbours,
    replay,
    sample,
)
from search_spaces.registry import SPACES


@dataclass(frozen=True)
class Recipe:
    """A value other than a genotype."""

    flavour: str
    grams: int | float
    layers: tuple[int, ...]
    glazed: bool

    def key(self) -> str:
        return repr(self)


@dataclass(frozen=True)
class RecipeSpace:
    """A space with options of every type and a decision that only some members have."""

    name: str = "recipe"

    def build(self, choose: Chooser, /) -> Recipe:
        grams = choose("grams", (1, 2, 1.5))
        layers = choose("layers", ((1, 2), (2,), ()))
        glazed = choose("glazed", (False, True))
        return Recipe(choose("flavour", ("sweet", "sour")) if glazed else "plain", grams, layers, glazed)


@dataclass(frozen=True)
class SingleSpace:
    """A space with a single member."""

    name: str = "one"

    def build(self, choose: Chooser, /) -> Recipe:
        return Recipe(choose("flavour", ("plain",)), 1, (), False)


ALL: dict[str, SearchSpace[Any]] = {**SPACES, "recipe": RecipeSpace()}


@pytest.mark.parametrize("promise", KEYED)
@pytest.mark.parametrize("name", ALL)
def test_a_space_keeps_its_promises(name: str, promise: str) -> None:
    KEYED[promise](ALL[name])


@pytest.mark.parametrize("promise", NAMED)
@pytest.mark.parametrize("name", SPACES)
def test_a_named_space_keeps_its_promises(name: str, promise: str) -> None:
    NAMED[promise](name)


@pytest.mark.parametrize("promise", GENOTYPES)
@pytest.mark.parametrize("name", SPACES)
def test_a_space_of_genotypes_keeps_its_promises(name: str, promise: str) -> None:
    GENOTYPES[promise](SPACES[name])


def test_a_space_is_registered_under_its_name() -> None:
    assert all(space.name == name for name, space in SPACES.items())


@pytest.mark.parametrize("name", SPACES)
def test_members_decode_to_one_width_at_levels_3_to_7(name: str) -> None:
    genotype = sample(SPACES[name], random.Random(0)).value
    assert genotype.levels == (3, 4, 5, 6, 7)
    assert decode(genotype, SMALL).widths == (SMALL.output_width,) * 5


@pytest.mark.parametrize("name", ALL)
def test_a_crossover_inherits_from_both_parents(name: str) -> None:
    contributed = set()
    for seed in range(30):
        rng = random.Random(seed)
        first, second = sample(ALL[name], rng).trace, sample(ALL[name], rng).trace
        child = crossover(ALL[name], first, second, rng).trace
        contributed |= {
            (first[decision], second[decision]).index(value)
            for decision, value in child.items()
            if decision in first and decision in second and first[decision] != second[decision]
        }
    assert contributed == {0, 1}


def test_neighbours_are_complete() -> None:
    parent = {"grams": 1, "layers": (2,), "glazed": True, "flavour": "sweet"}
    found = {member.value for member in neighbours(RecipeSpace(), parent, random.Random(0))}
    assert found == {
        Recipe("sour", 1, (2,), True),
        Recipe("plain", 1, (2,), False),
        Recipe("sweet", 2, (2,), True),
        Recipe("sweet", 1.5, (2,), True),
        Recipe("sweet", 1, (1, 2), True),
        Recipe("sweet", 1, (), True),
    }


def test_a_mutation_in_a_space_with_a_single_member_is_refused() -> None:
    with pytest.raises(SpaceExhausted, match="'one'"):
        mutate(SingleSpace(), {}, random.Random(0))
    assert list(neighbours(SingleSpace(), {}, random.Random(0))) == []


def test_an_unknown_decision_is_named() -> None:
    with pytest.raises(TraceError, match="elsewhere"):
        replay(RecipeSpace(), {**sample(RecipeSpace(), random.Random(0)).trace, "elsewhere": 1})


@pytest.mark.parametrize(("name", "value"), [("grams", True), ("grams", 1.0), ("glazed", 1), ("layers", [2])])
def test_a_trace_value_of_another_type_is_refused(name: str, value: Any) -> None:
    trace: dict[str, Any] = {"grams": 1, "layers": (2,), "glazed": True, "flavour": "sweet"}
    replay(RecipeSpace(), trace)
    with pytest.raises(TraceError, match=name):
        replay(RecipeSpace(), {**trace, name: value})


def test_a_decision_asked_twice_or_without_options_is_refused() -> None:
    class Twice(SingleSpace):
        def build(self, choose: Chooser, /) -> Recipe:
            choose("flavour", ("plain",))
            return super().build(choose)

    class Nothing(SingleSpace):
        def build(self, choose: Chooser, /) -> Recipe:
            return Recipe(choose("flavour", ()), 1, (), False)

    with pytest.raises(ValueError, match="twice"):
        sample(Twice(), random.Random(0))
    with pytest.raises(ValueError, match="no options"):
        sample(Nothing(), random.Random(0))
