"""A published figure, how ours is computed, and how far the two may lie apart."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

Rounding = Callable[[float], float]
"""Brings a computed value to the form in which the paper prints it."""


def exact(value: float) -> float:
    """Counts of official code: to the unit."""
    return value


def millions(*digits: int) -> Rounding:
    """In millions, rounded half up to each number of decimals in turn: mmdet prints two, of which papers print one."""

    return _in_units(10**6, digits)


def billions(*digits: int) -> Rounding:
    """In billions, rounded likewise."""
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
        system: whose figure it is, as in the README.
        name: the row as its source has it, with the unit.
        published: the figure as printed, or as official code counts it.
        ours: computes the raw value; called once, without allocating weights.
        rounding: what the source does to a raw value before printing it.
        tolerance: largest difference after rounding. Anything but 0 needs a note.
        note: where the figure comes from, where not from the system's own paper, or why it differs.
    """

    system: str
    name: str
    published: float
    ours: Callable[[], float]
    rounding: Rounding = exact
    tolerance: float = 0
    note: str = ""

    def compare(self) -> "Compared":
        """Compute ours."""
        return Compared(self.system, self.name, self.published, self.rounding(self.ours()), self.tolerance, self.note)


@dataclass(frozen=True)
class Compared:
    """A published figure beside ours, both in the published form."""

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
