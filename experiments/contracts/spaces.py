"""The contracts of every search space: of any keyed values, and of genotypes."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.contracts.contract import Broken, Contract
from search_spaces.choose import (
    Choice,
    RandomChooser,
    SearchSpace,
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

SMALL = Scale(width=0.125, alpha=0.25, output_width=32)
LONGEST_KEY = 200
"""Longest key that a store holds, characters."""
PURE = "use no source of choice but `choose`, and let members be frozen dataclasses"
FROZEN_OPTIONS = "let an option list depend only on the name of its decision"
PASS_ON = "let exceptions of `choose` pass through build"

Space = SearchSpace[Any]


@dataclass
class _Recording:
    """A random chooser that records the options of each decision."""

    rng: random.Random
    options: dict[str, Sequence[Choice]] = field(default_factory=dict)

    def __call__(self, name: str, options: Sequence[Any], /) -> Any:
        self.options[name] = options
        return RandomChooser(self.rng)(name, options)


def _has_a_name(space: Space) -> None:
    if not isinstance(space.name, str) or not space.name:
        raise Broken(f"its name is {space.name!r}: give a non-empty string")


def _seed_decides(space: Space) -> None:
    first, again = (sample(space, random.Random(3)) for _ in range(2))
    if first != again:
        raise Broken(f"one seed gave {first.value} and {again.value}: {PURE}")
    if len({sample(space, random.Random(seed)).value.key() for seed in range(20)}) < 2:
        raise Broken("20 seeds gave members of the same key: offer choices that change the key")


def _global_randomness() -> tuple[object, ...]:
    import torch

    state = np.random.get_state()  # noqa: NPY002 - the check is whether others use it
    return random.getstate(), str(state), torch.get_rng_state().numpy().tobytes()


def _leaves_global_randomness(space: Space) -> None:
    before = _global_randomness()
    sample(space, random.Random(0))
    if _global_randomness() != before:
        raise Broken("building a member drew from a global generator (random, numpy or torch): ask `choose` instead")


def _traces_rebuild(space: Space) -> None:
    for seed in range(20):
        member = sample(space, random.Random(seed))
        trace = trace_from_json(json.loads(json.dumps(member.trace)))
        if trace != member.trace:
            raise Broken(
                f"JSON changes {member.trace}: let options be strings, numbers, booleans or flat tuples of them"
            )
        if replay(space, trace) != member.value:
            raise Broken(f"trace {trace} of {member.value} rebuilds {replay(space, trace)}: {PURE}")


def _values_have_keys(space: Space) -> None:
    first, again = (sample(space, random.Random(3)).value for _ in range(2))
    try:
        same = hash(first) == hash(again)
    except TypeError as error:
        raise Broken(f"{error}: let members be frozen dataclasses of tuples, not of lists") from None
    key = first.key()
    if not same or key != again.key():
        raise Broken(f"the same choices gave the keys {key!r} and {again.key()!r}, or hashes that differ: {PURE}")
    if not isinstance(key, str) or not 1 <= len(key) <= LONGEST_KEY:
        raise Broken(f"key {key!r}: give a string of 1 to {LONGEST_KEY} characters, such as a digest")


def _offers(space: Space, members: int) -> dict[str, Sequence[Choice]]:
    chooser = _Recording(random.Random(0))
    for seed in range(members):
        chooser.rng = random.Random(seed)
        space.build(chooser)
    return chooser.options


def _options_stay(space: Space) -> None:
    known: dict[str, Sequence[Choice]] = {}
    for seed in range(200):
        chooser = _Recording(random.Random(seed))
        space.build(chooser)
        for name, options in chooser.options.items():
            first = known.setdefault(name, options)
            if [(type(o), o) for o in first] != [(type(o), o) for o in options]:
                raise Broken(f"decision {name!r} has options {list(first)} and then {list(options)}: {FROZEN_OPTIONS}")
    for name, options in known.items():
        if len({repr(option) for option in options}) < len(options):
            raise Broken(f"decision {name!r} offers an option twice in {list(options)}: drop one")


def _every_option_builds(space: Space) -> None:
    """Sets one decision at a time, so that every option is tested, however rarely it is drawn."""
    base = sample(space, random.Random(1)).trace
    for name, options in _offers(space, 30).items():
        for option in options:
            wish = {**base, name: option}
            try:
                crossover(space, wish, wish, random.Random(2)).value.key()
            except Exception as error:
                fault = f"{type(error).__name__}: {error}"
                raise Broken(
                    f"{name}={option!r} with {base} raises {fault}: fix build, or leave the option out"
                ) from error


def _first_choices(space: Space) -> None:
    if space.build(first_choice) != space.build(first_choice):
        raise Broken(f"the first options gave two different members: {PURE}")


def _mutations(space: Space) -> None:
    for seed in range(60):
        rng = random.Random(seed)
        parent = sample(space, rng)
        child = mutate(space, parent.trace, rng)
        if child.value.key() == parent.value.key() or replay(space, child.trace) != child.value:
            raise Broken(f"the mutation of {parent.trace} to {child.trace} does not give another member: {PURE}")
        shared = set(parent.trace) & set(child.trace)
        if (changed := sum(parent.trace[name] != child.trace[name] for name in shared)) != 1:
            raise Broken(
                f"a mutation changed {changed} decisions of {parent.trace} into {child.trace}: {FROZEN_OPTIONS}"
            )
        if seed == 0 and mutate(space, parent.trace, random.Random(1)) != mutate(space, parent.trace, random.Random(1)):
            raise Broken(f"one seed gave two mutations of {parent.trace}: {PURE}")


def _crossovers(space: Space) -> None:
    for seed in range(30):
        rng = random.Random(seed)
        first, second = sample(space, rng), sample(space, rng)
        child, again = (crossover(space, first.trace, second.trace, random.Random(seed)) for _ in range(2))
        if child != again or replay(space, child.trace) != child.value:
            raise Broken(f"one seed gave two children of {first.trace} and {second.trace}: {PURE}")
        for name, value in child.trace.items():
            inherited = [parent.trace[name] for parent in (first, second) if name in parent.trace]
            if inherited and value not in inherited:
                raise Broken(f"a child has {name}={value!r}, its parents {inherited}: {FROZEN_OPTIONS}")
        if crossover(space, first.trace, first.trace, rng) != first:
            raise Broken(f"{first.trace} crossed with itself is another member: {PURE}")


def _neighbours(space: Space) -> None:
    parent = sample(space, random.Random(4))
    found = list(neighbours(space, parent.trace, random.Random(0)))
    keys = {member.value.key() for member in found}
    if not keys:
        raise Broken(f"{parent.trace} has no neighbour of another key: offer choices that change the key")
    if len(keys) < len(found) or parent.value.key() in keys:
        raise Broken(f"two neighbours of {parent.trace} have the same key: {PURE}")
    for member in found:
        changed = sum(parent.trace.get(name, value) != value for name, value in member.trace.items())
        if changed != 1 or replay(space, member.trace) != member.value:
            raise Broken(f"{member.trace} is {changed} decisions away from {parent.trace}: {FROZEN_OPTIONS}")


def _invalid_traces_are_refused(space: Space) -> None:
    trace = sample(space, random.Random(0)).trace
    options = _offers(space, 30)
    for name in trace:
        _refuses(space, {other: value for other, value in trace.items() if other != name}, name)
        for value in ("no such option", -99, (), [1], None):
            if value not in options[name]:
                _refuses(space, {**trace, name: value}, name)


def _refuses(space: Space, trace: Any, name: str) -> None:
    try:
        replay(space, trace)
    except TraceError as error:
        if name in str(error):
            return
        raise Broken(f"a trace without a valid {name!r} is refused for another reason: {error}: {PASS_ON}") from None
    raise Broken(f"a trace without a valid {name!r} is accepted: {PASS_ON}")


KEYED: Contract[Space] = {
    "has a name": _has_a_name,
    "a seed determines the sample": _seed_decides,
    "samples do not use global random generators": _leaves_global_randomness,
    "a trace rebuilds its member, even from JSON": _traces_rebuild,
    "members are hashable and have a key": _values_have_keys,
    "a decision always has the same options": _options_stay,
    "every option of every decision can be built": _every_option_builds,
    "the first choices build a member": _first_choices,
    "a mutation is another member, one decision away": _mutations,
    "a crossover inherits from its parents": _crossovers,
    "neighbours are new, distinct and one decision away": _neighbours,
    "an invalid trace is refused, naming the decision": _invalid_traces_are_refused,
}
"""The contract of any space."""


_PRINT_KEYS = """
import random, sys
from search_spaces.choose import sample
from search_spaces.registry import SPACES, own_space
space = SPACES.get(sys.argv[1]) or own_space(sys.argv[1])
print([sample(space, random.Random(seed)).value.key() for seed in range(5)])
"""


def _same_anywhere(name: str) -> None:
    """A store is shared by processes and outlives them, so keys must not depend on the process."""
    found = []
    for seed in "12":
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", _PRINT_KEYS, name]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Broken(
                f"in another process, {done.stderr.strip().splitlines()[-1]}: make it importable from anywhere"
            )
        found.append(done.stdout.splitlines()[-1])
    if found[0] != found[1]:
        raise Broken(
            f"two processes gave the members of one seed the keys {found[0]} and {found[1]}: "
            "do not use hash(), id() or the order of a set in keys"
        )


NAMED: Contract[str] = {"keys are the same in every process": _same_anywhere}
"""The contract of any space, by its name or import path, which other processes load it by."""


def _decodes(space: SearchSpace[Genotype]) -> None:
    import torch

    from nas.decode import decode

    for seed in range(3):
        genotype = sample(space, random.Random(seed)).value
        backbone = decode(genotype, SMALL).eval()
        for height, width in ((96, 96), (75, 90)):
            expected = {
                f"p{level}": (2, channels, -(-height // 2**level), -(-width // 2**level))
                for level, channels in zip(backbone.levels, backbone.widths, strict=True)
            }
            with torch.inference_mode():
                maps = backbone(torch.zeros(2, 3, height, width))
            if (shapes := {name: tuple(x.shape) for name, x in maps.items()}) != expected:
                raise Broken(f"{genotype.key()} decodes to maps {shapes}, not {expected}: check its outputs")
        with torch.inference_mode():
            maps = backbone(torch.randn(1, 3, 33, 64))
        if bad := [name for name, x in maps.items() if not x.isfinite().all()]:
            raise Broken(f"{genotype.key()} decodes to maps {bad} that are not finite: check their inputs")


def _has_fixed_levels(space: SearchSpace[Genotype]) -> None:
    levels = {sample(space, random.Random(seed)).value.levels for seed in range(50)}
    if len(levels) > 1:
        raise Broken(f"members have outputs at levels {sorted(levels)}: use the same for all, for comparable scores")


GENOTYPES: Contract[SearchSpace[Genotype]] = {
    "members decode to finite maps of the declared sizes": _decodes,
    "all members have outputs at the same levels": _has_fixed_levels,
}
"""The contract of spaces of genotypes, in addition to that of any space."""
