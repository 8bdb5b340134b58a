"""What every space promises through `choose` alone; genotypes or not."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from nas.decode import decode
from search_spaces.choose import (
    Choice,
    Chooser,
    Keyed,
    RandomChooser,
    SearchSpace,
    SpaceExhausted,
    TraceError,
    crossover,
    first_choice,
    mutate,
    neighbours,
    replay,
    sample,
    trace_from_json,
)
from search_spaces.genotype import Genotype, Scale
from search_spaces.registry import SPACES

SMALL = Scale(width=0.125, alpha=0.25, output_width=32)


@dataclass(frozen=True)
class Recipe:
    """A value that is no genotype."""

    flavour: str
    grams: int | float
    layers: tuple[int, ...]
    glazed: bool

    def key(self) -> str:
        return repr(self)


@dataclass(frozen=True)
class RecipeSpace:
    """Every type of choice, and a decision that only some members ask for."""

    name: str = "recipe"

    def build(self, choose: Chooser, /) -> Recipe:
        grams = choose("grams", (1, 2, 1.5))
        layers = choose("layers", ((1, 2), (2,), ()))
        glazed = choose("glazed", (False, True))
        return Recipe(choose("flavour", ("sweet", "sour")) if glazed else "plain", grams, layers, glazed)


@dataclass(frozen=True)
class OneSpace:
    """A space of a single member."""

    name: str = "one"

    def build(self, choose: Chooser, /) -> Recipe:
        return Recipe(choose("flavour", ("plain",)), 1, (), False)


ALL: dict[str, SearchSpace[Any]] = {**SPACES, "recipe": RecipeSpace()}


@pytest.fixture(params=ALL)
def space(request: pytest.FixtureRequest) -> SearchSpace[Keyed]:
    return ALL[request.param]


@dataclass
class Recording:
    """A random chooser that remembers what it was offered."""

    rng: random.Random
    offers: dict[str, Sequence[Choice]] = field(default_factory=dict)

    def __call__(self, name: str, options: Sequence[Any], /) -> Any:
        self.offers[name] = options
        return RandomChooser(self.rng)(name, options)


def test_a_space_goes_by_its_name() -> None:
    assert all(space.name == name for name, space in SPACES.items())


def test_a_seed_decides_the_sample(space: SearchSpace[Keyed]) -> None:
    first, again = (sample(space, random.Random(3)) for _ in range(2))
    assert first == again
    assert len({sample(space, random.Random(seed)).value.key() for seed in range(20)}) > 3


def test_samples_leave_the_global_randomness_alone(space: SearchSpace[Keyed]) -> None:
    before = random.getstate(), torch.get_rng_state()
    sample(space, random.Random(0))
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_trace_rebuilds_its_value_even_from_json(space: SearchSpace[Keyed]) -> None:
    for seed in range(20):
        there = sample(space, random.Random(seed))
        assert replay(space, there.trace) == there.value
        trace = trace_from_json(json.loads(json.dumps(there.trace)))
        assert trace == there.trace
        assert replay(space, trace) == there.value


def test_values_are_hashable_and_know_their_key(space: SearchSpace[Keyed]) -> None:
    first, again = (sample(space, random.Random(3)).value for _ in range(2))
    assert hash(first) == hash(again)
    assert first.key() == again.key()


def test_a_decision_always_comes_with_the_same_options(space: SearchSpace[Keyed]) -> None:
    known: dict[str, Sequence[Choice]] = {}
    for seed in range(200):
        chooser = Recording(random.Random(seed))
        space.build(chooser)
        for name, options in chooser.offers.items():
            assert [(type(o), o) for o in known.setdefault(name, options)] == [(type(o), o) for o in options], name
    for name, options in known.items():
        assert len({repr(o) for o in options}) == len(options), f"{name} offers an option twice"


def test_every_option_of_every_decision_can_be_built(space: SearchSpace[Keyed]) -> None:
    """One decision at a time is set, so that no illegal corner hides behind unlikely draws."""
    chooser = Recording(random.Random(0))
    for seed in range(30):
        chooser.rng = random.Random(seed)
        space.build(chooser)
    base = sample(space, random.Random(1)).trace
    for name, options in chooser.offers.items():
        for option in options:
            assert crossover(space, {**base, name: option}, {**base, name: option}, random.Random(2)).value.key()


def test_the_first_choices_make_a_member(space: SearchSpace[Keyed]) -> None:
    assert space.build(first_choice) == space.build(first_choice)


def test_a_mutation_is_another_member_close_by(space: SearchSpace[Keyed]) -> None:
    changes = []
    for seed in range(60):
        rng = random.Random(seed)
        parent = sample(space, rng)
        child = mutate(space, parent.trace, rng)
        assert child.value.key() != parent.value.key()
        assert replay(space, child.trace) == child.value
        shared = set(parent.trace) & set(child.trace)
        changes.append(sum(parent.trace[name] != child.trace[name] for name in shared))
    assert changes == [1] * len(changes)


def test_a_mutation_is_decided_by_its_seed(space: SearchSpace[Keyed]) -> None:
    parent = sample(space, random.Random(0))
    assert mutate(space, parent.trace, random.Random(1)) == mutate(space, parent.trace, random.Random(1))


def test_a_crossover_takes_from_its_parents(space: SearchSpace[Keyed]) -> None:
    contributed = set()
    for seed in range(30):
        rng = random.Random(seed)
        first, second = sample(space, rng), sample(space, rng)
        child = crossover(space, first.trace, second.trace, random.Random(seed))
        assert child == crossover(space, first.trace, second.trace, random.Random(seed))
        assert replay(space, child.trace) == child.value
        for name, value in child.trace.items():
            inherited = [parent.trace[name] for parent in (first, second) if name in parent.trace]
            assert not inherited or value in inherited
            if len(set(inherited)) == 2:
                contributed.add(inherited.index(value))
        assert crossover(space, first.trace, first.trace, rng) == first
    assert contributed == {0, 1}


def test_neighbours_are_new_distinct_and_one_decision_away(space: SearchSpace[Keyed]) -> None:
    parent = sample(space, random.Random(4))
    found = list(neighbours(space, parent.trace, random.Random(0)))
    keys = {member.value.key() for member in found}
    assert len(keys) == len(found) >= 2
    assert parent.value.key() not in keys
    for member in found:
        assert replay(space, member.trace) == member.value
        assert sum(parent.trace.get(name, value) != value for name, value in member.trace.items()) == 1


def test_neighbours_are_all_there_are() -> None:
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


def test_a_space_without_another_member_says_so() -> None:
    with pytest.raises(SpaceExhausted, match="'one'"):
        mutate(OneSpace(), {}, random.Random(0))
    assert list(neighbours(OneSpace(), {}, random.Random(0))) == []


# Traces that do not fit


def test_a_missing_decision_is_named(space: SearchSpace[Keyed]) -> None:
    trace = dict(sample(space, random.Random(0)).trace)
    name = sorted(trace)[0]
    del trace[name]
    with pytest.raises(TraceError, match=name):
        replay(space, trace)


def test_an_unknown_decision_is_named(space: SearchSpace[Keyed]) -> None:
    with pytest.raises(TraceError, match="elsewhere"):
        replay(space, {**sample(space, random.Random(0)).trace, "elsewhere": 1})


def test_an_illegal_value_is_refused_for_every_decision(space: SearchSpace[Keyed]) -> None:
    trace = sample(space, random.Random(0)).trace
    for name in trace:
        for value in ("no such option", -99, (), [1], None):
            if (name, value) != ("layers", ()):
                with pytest.raises(TraceError, match=name):
                    replay(space, {**trace, name: value})


@pytest.mark.parametrize(("name", "value"), [("grams", True), ("grams", 1.0), ("glazed", 1), ("layers", [2])])
def test_a_value_of_another_type_is_another_value(name: str, value: Any) -> None:
    trace = {"grams": 1, "layers": (2,), "glazed": True, "flavour": "sweet"}
    replay(RecipeSpace(), trace)
    with pytest.raises(TraceError, match=name):
        replay(RecipeSpace(), {**trace, name: value})


def test_a_decision_asked_twice_or_without_options_is_a_fault_of_the_space() -> None:
    class Twice(OneSpace):
        def build(self, choose: Chooser, /) -> Recipe:
            choose("flavour", ("plain",))
            return super().build(choose)

    class Nothing(OneSpace):
        def build(self, choose: Chooser, /) -> Recipe:
            return Recipe(choose("flavour", ()), 1, (), False)

    with pytest.raises(ValueError, match="twice"):
        sample(Twice(), random.Random(0))
    with pytest.raises(ValueError, match="no options"):
        sample(Nothing(), random.Random(0))


# Spaces of genotypes


def expected_sizes(genotype: Genotype, height: int, width: int) -> dict[str, tuple[int, ...]]:
    return {f"p{lv}": (2, SMALL.output_width, -(-height // 2**lv), -(-width // 2**lv)) for lv in genotype.levels}


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("seed", range(3))
def test_samples_decode_to_maps_of_the_right_size(name: str, seed: int) -> None:
    genotype = sample(SPACES[name], random.Random(seed)).value
    backbone = decode(genotype, SMALL).eval()
    assert backbone.out_channels == SMALL.output_width
    for height, width in ((96, 96), (75, 90)):
        with torch.inference_mode():
            maps = backbone(torch.zeros(2, 3, height, width))
        assert {name: tuple(x.shape) for name, x in maps.items()} == expected_sizes(genotype, height, width)
    with torch.inference_mode():
        assert all(x.isfinite().all() for x in backbone(torch.randn(1, 3, 33, 64)).values())


@pytest.mark.parametrize("name", SPACES)
def test_fifty_samples_have_the_outputs_of_their_space(name: str) -> None:
    outputs = {sample(SPACES[name], random.Random(seed)).value.levels for seed in range(50)}
    assert outputs == {(3, 4, 5, 6, 7)}
