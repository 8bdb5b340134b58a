"""A space under limits: infeasible members are repaired."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from search_spaces.choose import ConstrainedSpace, K, Sampled, SearchSpace, follow, sample, variations

Violation = Callable[[Any], float]
"""Constraint violation of a member: 0 if it is feasible, infinite if it cannot be built."""

TRIES = 8
"""Variations tried to repair a member before it is moved towards an anchor."""
ANCHORS = 8
"""Number of anchors: feasible members, found once each and cached."""
ANCHOR_TRIES = 500


class Within(ConstrainedSpace[K]):
    """The feasible members of a space; an infeasible one is repaired by changing few decisions.

    Repair is a random descent on the violation. If it fails, the member takes over decisions of an anchor, a feasible
    member, as few as bisection finds. So every strategy keeps the limits: it sees feasible members only, and an equal
    proposal is repaired in the same way.

    Args:
        space: the unconstrained space.
        violation: constraint violation of a member.
        seed: of the random variations and anchors.
    """

    def __init__(self, space: SearchSpace[K], violation: Violation, *, seed: int) -> None:
        super().__init__(space)
        self._violation = violation
        self._seed = seed
        self._anchors: dict[int, Sampled[K] | None] = {}

    def fits_any(self) -> bool:
        """Whether the search for anchors finds any feasible member."""
        return next(self._feasible(random.Random(self._seed)), None) is not None

    def repair(self, member: Sampled[K]) -> Sampled[K]:
        """A feasible member near `member`; if none is found, the one of least violation."""
        if not self._violation(member.value):
            return member
        rng = random.Random(f"{self._seed}/{member.value.key()}")
        near, violation = approach(self.space, self._violation, member, rng, tries=TRIES)
        anchor = next(self._feasible(rng), None) if violation else None
        return self._towards(anchor, near, rng) if anchor else near

    def _towards(self, anchor: Sampled[K], member: Sampled[K], rng: random.Random) -> Sampled[K]:
        """The anchor, or a feasible member with more decisions of `member`, by bisection."""
        names = sorted(name for name, choice in anchor.trace.items() if member.trace.get(name) != choice)
        rng.shuffle(names)
        feasible, low, high = anchor, 0, len(names)
        while high - low > 1:
            middle = (low + high) // 2
            taken = {name: anchor.trace[name] for name in names[:middle]}
            child = follow(self.space, {**member.trace, **taken}, rng)
            if self._violation(child.value):
                low = middle
            else:
                feasible, high = child, middle
        return feasible

    def _feasible(self, rng: random.Random) -> Iterator[Sampled[K]]:
        """The anchors in random order."""
        for index in rng.sample(range(ANCHORS), ANCHORS):
            if index not in self._anchors:
                self._anchors[index] = self._find_anchor(index)
            if anchor := self._anchors[index]:
                yield anchor

    def _find_anchor(self, index: int) -> Sampled[K] | None:
        """A feasible member, a function of the seed and the index; None if none was found."""
        rng = random.Random(f"{self._seed}/{index}")
        start = sample(self.space, rng)
        member, violation = approach(self.space, self._violation, start, rng, tries=ANCHOR_TRIES)
        return None if violation else member


def approach(
    space: SearchSpace[K], violation: Violation, member: Sampled[K], rng: random.Random, *, tries: int
) -> tuple[Sampled[K], float]:
    """Random descent on the violation, of at most `tries` variations: the best member and its violation."""
    least = violation(member.value)
    children = variations(space, member.trace, rng)
    for _ in range(tries):
        if not least:
            break
        child = next(children)
        if (found := violation(child.value)) < least:
            member, least = child, found
            children = variations(space, member.trace, rng)
    return member, least
