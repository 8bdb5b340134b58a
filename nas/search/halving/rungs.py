"""Rungs of successive halving: promotion by one objective, or by non-dominated sorting of several."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from nas.search.objectives import dominates

Values = tuple[float, ...]
"""A trial's objectives, signed so that more is better."""


class Rung(Protocol):
    """Scores of the trials that reached a fidelity step, independent of the order of their arrival."""

    def add(self, values: Values) -> None:
        """Add a trial's scores."""
        ...

    def admits(self, values: Values) -> bool:
        """Whether a new trial is promoted: it is the first, or among the best 1/`reduction`."""
        ...


def build_rung(objectives: int, reduction: float) -> Rung:
    """An empty rung for this number of objectives."""
    return _Line(reduction) if objectives == 1 else _Fronts(reduction)


class _Line:
    """One objective: promotes a trial at or above the 1 - 1/`reduction` quantile of the others (Ray Tune's ASHA)."""

    def __init__(self, reduction: float) -> None:
        self._percent = (1 - 1 / reduction) * 100
        self._scores: list[float] = []

    def add(self, values: Values) -> None:
        self._scores.append(values[0])

    def admits(self, values: Values) -> bool:
        return not self._scores or values[0] >= float(np.percentile(self._scores, self._percent))


class _Fronts:
    """Several objectives: promotes whole fronts; from the front that does not fit, the most spread-out trials.

    Fronts are updated incrementally (ENLU, Li et al. 2017, "Efficient nondomination level update method").
    """

    def __init__(self, reduction: float) -> None:
        self._reduction = reduction
        self._fronts: list[list[Values]] = []
        self._new: list[Values] = []

    def add(self, values: Values) -> None:
        self._new.append(values)

    def admits(self, values: Values) -> bool:
        for new in sorted(self._new, reverse=True):  # in this order no insertion moves a member
            self._insert(new)
        self._new.clear()
        index = self._place(values)
        count = 1 + sum(map(len, self._fronts))
        room = math.ceil(count / self._reduction) - sum(map(len, self._fronts[:index]))
        front = self._fronts[index] if index < len(self._fronts) else []
        peers = [member for member in front if not dominates(values, member)]
        return room > len(peers) or (room > 0 and _is_spread_out(values, peers, room))

    def _insert(self, values: Values) -> None:
        index, moving = self._place(values), [values]
        while moving:
            if index == len(self._fronts):
                self._fronts.append([])
            front = self._fronts[index]
            dominated = [any(dominates(other, member) for other in moving) for member in front]
            self._fronts[index] = [member for member, out in zip(front, dominated, strict=True) if not out] + moving
            moving = [member for member, out in zip(front, dominated, strict=True) if out]
            index += 1

    def _place(self, values: Values) -> int:
        """Index of the first front without a member that dominates these values."""

        def is_open(index: int) -> bool:
            return not any(dominates(member, values) for member in reversed(self._fronts[index]))

        return bisect_left(range(len(self._fronts)), True, key=is_open)


def _is_spread_out(values: Values, peers: Sequence[Values], count: int) -> bool:
    """Whether values are among the `count` most spread-out members of a front: the best by the first objective, then
    greedily the farthest from those chosen (epsilon-net, arXiv 2106.12639, section 3), scaled by the front's ranges.
    """
    front = sorted([*peers, values], reverse=True)
    points = np.array(front)
    spans = np.ptp(points, axis=0)
    points /= np.where(spans > 0, spans, 1)
    gaps = np.linalg.norm(points - points[0], axis=1)
    for _ in range(count - 1):
        gaps = np.minimum(gaps, np.linalg.norm(points - points[gaps.argmax()], axis=1))
    return bool(gaps[front.index(values)] == 0)
