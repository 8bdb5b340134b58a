"""Choice: the only way a search space decides anything.

A space is one function `build(choose)`. Sampling, replaying, mutating, crossing over and enumerating neighbours
differ only in the `choose` handed to it, so they are written here once and work for every space.
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
"""Decision name -> chosen value: all a space needs to rebuild what it built."""

T = TypeVar("T", bound=Choice)


class Keyed(Protocol):
    """A frozen value with a canonical identity; `Genotype` is one, a row of a tabular benchmark another."""

    def key(self) -> str:
        """Equal for values that are the same thing to evaluate."""
        ...


K_co = TypeVar("K_co", bound=Keyed, covariant=True)
K = TypeVar("K", bound=Keyed)


class Chooser(Protocol):
    """Picks one of `options` for the decision `name`; a name always comes with the same options."""

    def __call__(self, name: str, options: Sequence[T], /) -> T: ...


class SearchSpace(Protocol[K_co]):
    """A set of values, given by how one of them is built from choices."""

    @property
    def name(self) -> str: ...

    def build(self, choose: Chooser, /) -> K_co:
        """Build one member. May ask only for the decisions that matter; must be pure otherwise."""
        ...


class TraceError(FusionNasError):
    """A trace does not fit the space that is to replay it."""


class SpaceExhausted(FusionNasError):
    """No new member was found within the allowed number of tries."""


@dataclass(frozen=True)
class Sampled(Generic[K_co]):
    """A member of a space together with the decisions that lead to it."""

    trace: Trace
    value: K_co


class Narrowed(ABC, Generic[K]):
    """A space of which not every member counts: all that is drawn, varied or crossed here is moved to one that does."""

    def __init__(self, space: SearchSpace[K]) -> None:
        self.space = space

    @property
    def name(self) -> str:
        return self.space.name

    def build(self, choose: Chooser, /) -> K:
        """The member as it is chosen, whether it counts or not."""
        return self.space.build(choose)

    @abstractmethod
    def moved(self, member: Sampled[K]) -> Sampled[K]:
        """A member that counts; the very one that is given where it does. A function of that one alone."""


@dataclass
class _Recorder:
    """Follow `wish` where it names a legal option, else ask `fallback`; remember decisions and their options."""

    wish: Trace
    fallback: Chooser
    trace: dict[str, Choice] = field(default_factory=dict)
    options: dict[str, Sequence[Choice]] = field(default_factory=dict)

    def __call__(self, name: str, options: Sequence[T], /) -> T:
        if name in self.trace:
            raise ValueError(f"decision {name!r} was asked for twice: give every decision its own name")
        if not options:
            raise ValueError(f"decision {name!r} has no options")
        wish = self.wish.get(name)
        # `in` would take True for 1: the type is part of the value
        chosen = next((o for o in options if o == wish and type(o) is type(wish)), None)
        value = self.fallback(name, options) if chosen is None else chosen
        self.trace[name] = value
        self.options[name] = options
        return value


@dataclass(frozen=True)
class RandomChooser:
    """Choose uniformly."""

    rng: random.Random

    def __call__(self, name: str, options: Sequence[T], /) -> T:
        return options[self.rng.randrange(len(options))]


def refuse(name: str, options: Sequence[T], /) -> T:
    """A chooser for whom a trace was to say it all."""
    raise TraceError(
        f"the trace has no legal value for decision {name!r}; options: {list(options)[:8]}: give the space as it was "
        "when the trace was drawn"
    )


def _run(space: SearchSpace[K], wish: Trace, fallback: Chooser) -> tuple[Sampled[K], _Recorder]:
    recorder = _Recorder(wish, fallback)
    built = Sampled(recorder.trace, space.build(recorder))
    if isinstance(space, Narrowed) and (moved := space.moved(built)) is not built:
        return _run(space.space, moved.trace, fallback)
    return built, recorder


def record(space: SearchSpace[K], choose: Chooser) -> Sampled[K]:
    """Build a member by `choose` and keep its decisions."""
    return _run(space, {}, choose)[0]


def sample(space: SearchSpace[K], rng: random.Random) -> Sampled[K]:
    """Draw a member by uniform choices."""
    return record(space, RandomChooser(rng))


def replay(space: SearchSpace[K], trace: Trace) -> K:
    """Rebuild the member a trace describes.

    Raises:
        TraceError: a decision is missing, illegal, or unknown to the space.
    """
    member, _ = _run(space, trace, refuse)
    if unknown := sorted(set(trace) - set(member.trace)):
        raise TraceError(
            f"space {space.name!r} never asks for {unknown[:5]}: give it as it was when the trace was drawn"
        )
    return member.value


def mutate(space: SearchSpace[K], trace: Trace, rng: random.Random, *, tries: int = 100) -> Sampled[K]:
    """Change one decision, keep the others; retry until the key differs from the parent's.

    About a third of single changes touch only what is dead or symmetric, hence the retries.

    Raises:
        SpaceExhausted: `tries` changes all lead to the parent's own key.
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
    raise SpaceExhausted(f"space {space.name!r}: {tries} mutations of {key} all lead back to it")


def redraw(space: SearchSpace[K], trace: Trace, words: Collection[str], rng: random.Random) -> Sampled[K]:
    """Draw anew the decisions that have one of `words` between the dots of their names; keep the others.

    `{"fuse"}` redraws every node's fuse operator and leaves the graph as it is. What is only asked for because of
    a redrawn decision is drawn as well.
    """
    kept = {name: value for name, value in trace.items() if not set(words).intersection(name.split("."))}
    return follow(space, kept, rng)


def crossover(space: SearchSpace[K], first: Trace, second: Trace, rng: random.Random) -> Sampled[K]:
    """Take every decision from one parent or the other; what neither decides is drawn at random."""
    wish = {name: rng.choice([t[name] for t in (first, second) if name in t]) for name in sorted({*first, *second})}
    return follow(space, wish, rng)


def follow(space: SearchSpace[K], wish: Trace, rng: random.Random) -> Sampled[K]:
    """Take every decision from a trace where it names a legal option; draw the others."""
    return _run(space, wish, RandomChooser(rng))[0]


def variations(space: SearchSpace[K], trace: Trace, rng: random.Random) -> Iterator[Sampled[K]]:
    """Members one, two, four and eight decisions away, drawn round and round without end; keys may repeat."""
    parent, recorder = _run(space, trace, RandomChooser(rng))
    others = {name: [o for o in options if o != parent.trace[name]] for name, options in recorder.options.items()}
    open_decisions = sorted(name for name, options in others.items() if options)
    for count in itertools.cycle((1, 2, 4, 8)):
        names = rng.sample(open_decisions, min(count, len(open_decisions)))
        yield follow(space, {**parent.trace, **{name: rng.choice(others[name]) for name in names}}, rng)


def neighbours(space: SearchSpace[K], trace: Trace, rng: random.Random) -> Iterator[Sampled[K]]:
    """Every member one decision away, each new key once, in random order."""
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
    """The chooser that always takes the first option: a space's simplest member."""
    return options[0]


def trace_from_json(document: Mapping[str, object]) -> Trace:
    """Undo what JSON does to a trace: lists become tuples again."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in document.items()}  # type: ignore[misc]
