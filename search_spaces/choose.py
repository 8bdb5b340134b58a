"""Choosers: the only way a search space makes a decision.

A space is one function `build(choose)`. Sampling, replay, mutation, crossover and enumeration of neighbours differ
only in the chooser passed to it, so they are written here once and work for every space.
"""

import itertools
import random
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from search_spaces.errors import FusionNasError

Scalar = str | int | float | bool
Choice = Scalar | tuple[Scalar, ...]
Trace = Mapping[str, Choice]
"""Decision name -> chosen value: all that a space needs to rebuild a member."""

T = TypeVar("T", bound=Choice)


class Keyed(Protocol):
    """A frozen value with a canonical identity, such as a `Genotype` or a cell of a tabular benchmark."""

    def key(self) -> str:
        """Equal for values that evaluate to the same."""
        ...


K_co = TypeVar("K_co", bound=Keyed, covariant=True)
K = TypeVar("K", bound=Keyed)


class Chooser(Protocol):
    """Picks one of `options` for the decision `name`; the options of a name never change."""

    def __call__(self, name: str, options: Sequence[T], /) -> T: ...


class SearchSpace(Protocol[K_co]):
    """A set of values, defined by a function that builds one of them from choices."""

    @property
    def name(self) -> str: ...

    def build(self, choose: Chooser, /) -> K_co:
        """Build one member. May skip decisions that do not apply; must be a pure function of the choices."""
        ...


class TraceError(FusionNasError):
    """A trace does not fit the space that replays it."""


class SpaceExhausted(FusionNasError):
    """No new member was found within the allowed number of tries."""


@dataclass(frozen=True)
class Sampled(Generic[K_co]):
    """A member of a space with the trace that builds it."""

    trace: Trace
    value: K_co


class ConstrainedSpace(ABC, Generic[K]):
    """A space under a constraint: every function of this module repairs an infeasible member it builds."""

    def __init__(self, space: SearchSpace[K]) -> None:
        self.space = space

    @property
    def name(self) -> str:
        return self.space.name

    def build(self, choose: Chooser, /) -> K:
        """The member as chosen, feasible or not."""
        return self.space.build(choose)

    @abstractmethod
    def repair(self, member: Sampled[K]) -> Sampled[K]:
        """A feasible member: `member` itself if it is feasible. Deterministic in `member`."""


@dataclass
class _Recorder:
    """Chooser that follows `wish` where its option is legal, else asks `fallback`; records decisions and options."""

    wish: Trace
    fallback: Chooser
    trace: dict[str, Choice] = field(default_factory=dict)
    options: dict[str, Sequence[Choice]] = field(default_factory=dict)

    def __call__(self, name: str, options: Sequence[T], /) -> T:
        if name in self.trace:
            raise ValueError(f"decision {name!r} was made twice: give every decision its own name")
        if not options:
            raise ValueError(f"decision {name!r} has no options")
        wish = self.wish.get(name)
        # True == 1: compare types as well
        chosen = next((o for o in options if o == wish and type(o) is type(wish)), None)
        value = self.fallback(name, options) if chosen is None else chosen
        self.trace[name] = value
        self.options[name] = options
        return value


@dataclass(frozen=True)
class RandomChooser:
    """Chooses uniformly at random."""

    rng: random.Random

    def __call__(self, name: str, options: Sequence[T], /) -> T:
        return options[self.rng.randrange(len(options))]


def refuse(name: str, options: Sequence[T], /) -> T:
    """Fallback chooser of `replay`: rejects any decision that the trace does not settle."""
    raise TraceError(
        f"the trace has no legal value for decision {name!r}; options: {list(options)[:8]}: use the version of the "
        "space that drew the trace"
    )


def _run(space: SearchSpace[K], wish: Trace, fallback: Chooser) -> tuple[Sampled[K], _Recorder]:
    recorder = _Recorder(wish, fallback)
    built = Sampled(recorder.trace, space.build(recorder))
    if isinstance(space, ConstrainedSpace) and (repaired := space.repair(built)) is not built:
        return _run(space.space, repaired.trace, fallback)
    return built, recorder


def record(space: SearchSpace[K], choose: Chooser) -> Sampled[K]:
    """Build a member with `choose` and record its trace."""
    return _run(space, {}, choose)[0]


def sample(space: SearchSpace[K], rng: random.Random) -> Sampled[K]:
    """Draw a member by uniform random choices."""
    return record(space, RandomChooser(rng))


def replay(space: SearchSpace[K], trace: Trace) -> K:
    """Rebuild the member of a trace.

    Raises:
        TraceError: a decision is missing, illegal, or unknown to the space.
    """
    member, _ = _run(space, trace, refuse)
    if unknown := sorted(set(trace) - set(member.trace)):
        raise TraceError(
            f"space {space.name!r} has no decision {unknown[:5]}: use the version of the space that drew the trace"
        )
    return member.value


def mutate(space: SearchSpace[K], trace: Trace, rng: random.Random, *, tries: int = 100) -> Sampled[K]:
    """Change one decision, keep the others; retry until the key differs from the parent's.

    About a third of single changes only affect dead nodes or symmetric choices and leave the key unchanged.

    Raises:
        SpaceExhausted: all `tries` changes give the parent's key.
    """
    parent, recorder = _run(space, trace, RandomChooser(rng))
    key = parent.value.key()
    open_decisions = sorted(name for name, options in recorder.options.items() if len(options) > 1)
    for _ in range(tries if open_decisions else 0):
        name = rng.choice(open_decisions)
        others = [o for o in recorder.options[name] if o != parent.trace[name]]
        child, _ = _run(space, {**parent.trace, name: rng.choice(others)}, RandomChooser(rng))
        if child.value.key() != key:
            return child
    raise SpaceExhausted(f"space {space.name!r}: {tries} mutations of {key} all have its key")


def redraw(space: SearchSpace[K], trace: Trace, words: Collection[str], rng: random.Random) -> Sampled[K]:
    """Redraw the decisions whose dotted names contain one of `words`; keep the others.

    `{"fuse"}` redraws every node's fuse operator and leaves the graph unchanged. Decisions that become necessary by
    a redrawn one are drawn as well.
    """
    kept = {name: value for name, value in trace.items() if not set(words).intersection(name.split("."))}
    return follow(space, kept, rng)


def crossover(space: SearchSpace[K], first: Trace, second: Trace, rng: random.Random) -> Sampled[K]:
    """Uniform crossover: take every decision from one of the parents; draw decisions of neither at random."""
    wish = {name: rng.choice([t[name] for t in (first, second) if name in t]) for name in sorted({*first, *second})}
    return follow(space, wish, rng)


def follow(space: SearchSpace[K], wish: Trace, rng: random.Random) -> Sampled[K]:
    """Take every decision for which `wish` holds a legal option; draw the others at random."""
    return _run(space, wish, RandomChooser(rng))[0]


def variations(space: SearchSpace[K], trace: Trace, rng: random.Random) -> Iterator[Sampled[K]]:
    """Endless random members one, two, four and eight decisions away, in turn; keys may repeat."""
    parent, recorder = _run(space, trace, RandomChooser(rng))
    others = {name: [o for o in options if o != parent.trace[name]] for name, options in recorder.options.items()}
    open_decisions = sorted(name for name, options in others.items() if options)
    for count in itertools.cycle((1, 2, 4, 8)):
        names = rng.sample(open_decisions, min(count, len(open_decisions)))
        yield follow(space, {**parent.trace, **{name: rng.choice(others[name]) for name in names}}, rng)


def neighbours(space: SearchSpace[K], trace: Trace, rng: random.Random) -> Iterator[Sampled[K]]:
    """Every member one decision away, in random order, each new key once."""
    parent, recorder = _run(space, trace, RandomChooser(rng))
    seen = {parent.value.key()}
    changes = [
        (name, option)
        for name, options in sorted(recorder.options.items())
        for option in options
        if option != parent.trace[name]
    ]
    rng.shuffle(changes)
    for name, option in changes:
        child, _ = _run(space, {**parent.trace, name: option}, RandomChooser(rng))
        if (key := child.value.key()) not in seen:
            seen.add(key)
            yield child


def first_choice(name: str, options: Sequence[T], /) -> T:
    """Chooser that always takes the first option: a space's simplest member."""
    return options[0]


def trace_from_json(document: Mapping[str, object]) -> Trace:
    """A trace read from JSON: lists become tuples again."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in document.items()}  # type: ignore[misc]
