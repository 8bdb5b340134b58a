"""What strategies share: their proposals' randomness, and decisions as numbers."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from nas.search.types import Candidate, Storable
from search_spaces.choose import Choice, Sampled, SearchSpace, Trace, refuse

T = TypeVar("T", bound=Choice)


@dataclass
class Turns:
    """Randomness that depends on the seed and on how many proposals came before, so that a count resumes it."""

    seed: int
    asked: int

    def next(self) -> random.Random:
        rng = random.Random(f"{self.seed}/{self.asked}")
        self.asked += 1
        return rng


def candidate(member: Sampled[Storable]) -> Candidate:
    return Candidate(member.trace, member.value.key(), member.value)


def numbered(space: SearchSpace[Storable], trace: Trace) -> dict[str, tuple[int, int]]:
    """Every decision of a trace, in the order they are asked for: the number of the option taken, and of how many.

    Raises:
        TraceError: the space has changed since.
    """
    numbers: dict[str, tuple[int, int]] = {}

    def choose(name: str, options: Sequence[T], /) -> T:
        if trace.get(name) not in options:
            refuse(name, options)
        number = list(options).index(trace[name])  # type: ignore[arg-type]
        numbers[name] = number, len(options)
        return options[number]

    space.build(choose)
    return numbers
