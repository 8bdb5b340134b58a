"""Who is among the best at a rung, by one objective or by several."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from nas.search.ranking import dominates

Values = tuple[float, ...]
"""A trial's objectives, signed so that more is better."""


class Rung(Protocol):
    """What trials came to at a fidelity step. In which order they got there does not matter."""

    def add(self, values: Values) -> None:
        """Have a trial count."""
        ...

    def admits(self, values: Values) -> bool:
        """Whether another trial would be among the best 1/`reduction`; the first one is."""
        ...


def build_rung(objectives: int, reduction: float) -> Rung:
    """An empty rung for so many objectives."""
    return _Line(reduction) if objectives == 1 else _Fronts(reduction)


class _Line:
    """By one objective: who is no worse than the others' quantile is admitted, as in Ray Tune's ASHA."""

    def __init__(self, reduction: float) -> None:
        self._percent = (1 - 1 / reduction) * 100
        self._scores: list[float] = []

    def add(self, values: Values) -> None:
        self._scores.append(values[0])

    def admits(self, values: Values) -> bool:
        return not self._scores or values[0] >= float(np.percentile(self._scores, self._percent))


class _Fronts:
    """By several: front after front is admitted, and of the front for which there is no room, who lie far apart.

    Fronts are kept as trials come (ENLU, Li et al. 2017, "Efficient nondomination level update method").
    """

    def __init__(self, reduction: float) -> None:
        self._reduction = reduction
        self._fronts: list[list[Values]] = []
        self._new: list[Values] = []

    def add(self, values: Values) -> None:
        self._new.append(values)

    def admits(self, values: Values) -> bool:
        for new in sorted(self._new, reverse=True):  # in this order none moves another: a store is soon read
            self._insert(new)
        self._new.clear()
        index = self._place(values)
        count = 1 + sum(map(len, self._fronts))
        room = math.ceil(count / self._reduction) - sum(map(len, self._fronts[:index]))
        front = self._fronts[index] if index < len(self._fronts) else []
        peers = [member for member in front if not dominates(values, member)]
        return room > len(peers) or (room > 0 and _stands_out(values, peers, room))

    def _insert(self, values: Values) -> None:
        index, moving = self._place(values), [values]
        while moving:
            if index == len(self._fronts):
                self._fronts.append([])
            front = self._fronts[index]
            worse = [any(dominates(other, member) for other in moving) for member in front]
            self._fronts[index] = [member for member, goes in zip(front, worse, strict=True) if not goes] + moving
            moving = [member for member, goes in zip(front, worse, strict=True) if goes]
            index += 1

    def _place(self, values: Values) -> int:
        """The first front none of whose members dominates these values."""

        def is_open(index: int) -> bool:
            return not any(dominates(member, values) for member in reversed(self._fronts[index]))

        return bisect_left(range(len(self._fronts)), True, key=is_open)


def _stands_out(values: Values, peers: Sequence[Values], count: int) -> bool:
    """Whether values are among `count` of a front that lie far apart: the best by the first objective, then always
    the farthest from those taken (epsilon-net, arXiv 2106.12639, section 3), in units of the front's ranges.
    """
    front = sorted([*peers, values], reverse=True)
    points = np.array(front)
    spans = np.ptp(points, axis=0)
    points /= np.where(spans > 0, spans, 1)
    gaps = np.linalg.norm(points - points[0], axis=1)
    for _ in range(count - 1):
        gaps = np.minimum(gaps, np.linalg.norm(points - points[gaps.argmax()], axis=1))
    return bool(gaps[front.index(values)] == 0)
