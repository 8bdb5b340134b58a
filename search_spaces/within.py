"""The part of a space that keeps limits."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from search_spaces.choose import K, Narrowed, Sampled, SearchSpace, follow, sample, variations

Violation = Callable[[Any], float]
"""How far a member is from keeping limits: 0 where it does, infinite where it cannot be built at all."""

TRIES = 8
"""Variations of a member that are looked at before it is drawn towards one that is known to fit."""
ANCHORS = 8
"""So many members that are known to fit."""
ANCHOR_TRIES = 500


class Within(Narrowed[K]):
    """Members that violate nothing. What does not fit is moved to where it does: by few decisions, where few will do.

    It is varied at random, and what violates less is varied further. What does not come to fit that way takes on
    decisions of a member that does, by bisection as few as it can. So any strategy keeps the limits: it sees nothing
    but what fits, and whatever it proposes again is moved as before.

    Args:
        space: of which this is a part.
        violation: what is to be 0.
        seed: of whatever is drawn.
    """

    def __init__(self, space: SearchSpace[K], violation: Violation, *, seed: int) -> None:
        super().__init__(space)
        self._violation = violation
        self._seed = seed
        self._anchors: dict[int, Sampled[K] | None] = {}

    def fits_any(self) -> bool:
        """Whether any member that fits is found, by all that is ever tried."""
        return next(self._fitting(random.Random(self._seed)), None) is not None

    def moved(self, member: Sampled[K]) -> Sampled[K]:
        """A member that fits near the one that is given; one that violates less, where none was found to fit."""
        if not self._violation(member.value):
            return member
        rng = random.Random(f"{self._seed}/{member.value.key()}")
        near, still = approach(self.space, self._violation, member, rng, tries=TRIES)
        anchor = next(self._fitting(rng), None) if still else None
        return self._towards(anchor, near, rng) if anchor else near

    def _towards(self, anchor: Sampled[K], member: Sampled[K], rng: random.Random) -> Sampled[K]:
        """The anchor, or what still fits with more of the member's decisions."""
        names = sorted(name for name, choice in anchor.trace.items() if member.trace.get(name) != choice)
        rng.shuffle(names)
        fits, few, enough = anchor, 0, len(names)
        while enough - few > 1:
            middle = (few + enough) // 2
            taken = {name: anchor.trace[name] for name in names[:middle]}
            child = follow(self.space, {**member.trace, **taken}, rng)
            if self._violation(child.value):
                few = middle
            else:
                fits, enough = child, middle
        return fits

    def _fitting(self, rng: random.Random) -> Iterator[Sampled[K]]:
        """Members that are known to fit, in random order."""
        for index in rng.sample(range(ANCHORS), ANCHORS):
            if index not in self._anchors:
                self._anchors[index] = self._find(index)
            if anchor := self._anchors[index]:
                yield anchor

    def _find(self, index: int) -> Sampled[K] | None:
        """A member that fits, a function of the seed and the index; None where none was found."""
        rng = random.Random(f"{self._seed}/{index}")
        start = sample(self.space, rng)
        member, still = approach(self.space, self._violation, start, rng, tries=ANCHOR_TRIES)
        return None if still else member


def approach(
    space: SearchSpace[K], violation: Violation, member: Sampled[K], rng: random.Random, *, tries: int
) -> tuple[Sampled[K], float]:
    """Vary a member until it violates nothing, at most so many times; also returns what it violates still."""
    least = violation(member.value)
    children = variations(space, member.trace, rng)
    for _ in range(tries):
        if not least:
            break
        child = next(children)
        if (still := violation(child.value)) < least:
            member, least = child, still
            children = variations(space, member.trace, rng)
    return member, least
