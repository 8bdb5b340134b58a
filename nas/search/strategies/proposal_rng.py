"""Shared by the strategies: seeded random generators of proposals, and decisions as option indices."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from nas.search.types import Candidate, Storable
from search_spaces.choose import Choice, Sampled, SearchSpace, Trace, refuse

T = TypeVar("T", bound=Choice)


@dataclass
class ProposalRng:
    """One random generator per proposal, seeded by the seed and the proposal's number, so that a count resumes it."""

    seed: int
    asked: int

    def next(self) -> random.Random:
        rng = random.Random(f"{self.seed}/{self.asked}")
        self.asked += 1
        return rng


def candidate(member: Sampled[Storable]) -> Candidate:
    return Candidate(member.trace, member.value.key(), member.value)


def numbered(space: SearchSpace[Storable], trace: Trace) -> dict[str, tuple[int, int]]:
    """The decisions of a trace in the order they are taken: name -> (index of the option taken, number of options).

    Raises:
        TraceError: the space has changed since the trace was recorded.
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
