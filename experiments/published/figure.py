"""A published number, how ours is computed, and the tolerated difference."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

Rounding = Callable[[float], float]
"""Rounds a computed value to the form in which the paper prints it."""


def exact(value: float) -> float:
    """No rounding, for counts from official code."""
    return value


def millions(*digits: int) -> Rounding:
    """In millions, rounded half up to each number of decimals in turn: mmdet prints two, papers then print one."""
    return _in_units(10**6, digits)


def billions(*digits: int) -> Rounding:
    """In billions, rounded in the same way."""
    return _in_units(10**9, digits)


def _in_units(unit: int, digits: tuple[int, ...]) -> Rounding:
    def rounded(value: float) -> float:
        text = Decimal(value) / unit
        for places in digits:
            text = text.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
        return float(text)

    return rounded


@dataclass(frozen=True)
class Figure:
    """One row of the comparison.

    Attributes:
        system: name of the system, as in the README.
        name: the row as in the source, with the unit.
        published: the number as printed, or as counted by official code.
        ours: computes the raw value; called once, without allocating weights.
        rounding: the rounding that the source applies to a raw value.
        tolerance: largest difference after rounding. Any value but 0 needs a note.
        note: the source, if it is not the system's own paper, or why the numbers differ.
    """

    system: str
    name: str
    published: float
    ours: Callable[[], float]
    rounding: Rounding = exact
    tolerance: float = 0
    note: str = ""

    def compare(self) -> "Compared":
        """Compute our value, and compare it with the published one."""
        return Compared(self.system, self.name, self.published, self.rounding(self.ours()), self.tolerance, self.note)


@dataclass(frozen=True)
class Compared:
    """A published number and ours, both in the published form."""

    system: str
    name: str
    published: float
    ours: float
    tolerance: float
    note: str

    @property
    def difference(self) -> float:
        return round(self.ours - self.published, 6)

    @property
    def holds(self) -> bool:
        return abs(self.difference) <= self.tolerance
