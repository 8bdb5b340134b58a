"""Proposals within what a search allows, from any strategy."""

import random
from functools import lru_cache

from nas.search.types import Candidate, Storable, Strategy, Trial, Violation
from search_spaces.choose import Sampled, SearchSpace, follow, sample, variations

TRIES = 8
"""Variations of a proposal that are looked at before it is drawn towards a member that is known to fit."""
ANCHORS = 8
"""So many members that are known to fit."""
ANCHOR_TRIES = 500


class Feasible:
    """A strategy whose proposals are moved to where they violate nothing: by few decisions, where few will do.

    A proposal that does not fit is varied at random; what violates less is varied further. What does not come to fit
    that way takes on decisions of a member that does, by bisection as few as it can. A proposal depends on the seed,
    on how many came before it and on what the strategy was told, as a strategy's own does. The strategy is told of
    what was tried in place of what it proposed, as an evolution is that learns (Lamarck's).

    Args:
        inner: makes the proposals.
        violation: 0 for a member that fits, else how far it is from fitting; infinite where it cannot be built.
        seed: of whatever is drawn.
        asked: how many proposals came before, as the inner strategy was told when it was built.
    """

    def __init__(
        self, inner: Strategy, space: SearchSpace[Storable], violation: Violation, *, seed: int, asked: int = 0
    ) -> None:
        self._inner = inner
        self._space = space
        self._violation = violation
        self._seed = seed
        self._asked = asked
        self._anchor = lru_cache(None)(self._find_anchor)

    def ask(self) -> Candidate:
        """A proposal that fits, unless nothing that does was found."""
        proposal = self._inner.ask()
        rng = random.Random(f"{self._seed}/{self._asked}/feasible")
        self._asked += 1
        start = Sampled(proposal.trace, proposal.value)
        member, violated = approach(self._space, self._violation, start, rng, tries=TRIES)
        if violated and (anchor := self._anchor(rng.randrange(ANCHORS))):
            member = self._towards(anchor, member, rng)
        return proposal if member is start else Candidate(member.trace, member.value.key(), member.value)

    def tell(self, trial: Trial) -> None:
        self._inner.tell(trial)

    def _towards(self, anchor: Sampled[Storable], member: Sampled[Storable], rng: random.Random) -> Sampled[Storable]:
        """The anchor, or what still fits with more of the member's decisions."""
        names = sorted(name for name, choice in anchor.trace.items() if member.trace.get(name) != choice)
        rng.shuffle(names)
        fits, few, enough = anchor, 0, len(names)
        while enough - few > 1:
            middle = (few + enough) // 2
            taken = {name: anchor.trace[name] for name in names[:middle]}
            child = follow(self._space, {**member.trace, **taken}, rng)
            if self._violation(child.value):
                few = middle
            else:
                fits, enough = child, middle
        return fits

    def _find_anchor(self, index: int) -> Sampled[Storable] | None:
        """A member that fits, a function of the seed alone; None where none was found."""
        rng = random.Random(f"{self._seed}/anchor/{index}")
        start = sample(self._space, rng)
        member, violation = approach(self._space, self._violation, start, rng, tries=ANCHOR_TRIES)
        return None if violation else member


def approach(
    space: SearchSpace[Storable], violation: Violation, member: Sampled[Storable], rng: random.Random, *, tries: int
) -> tuple[Sampled[Storable], float]:
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
