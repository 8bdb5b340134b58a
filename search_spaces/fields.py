"""Types and bounds of operator attributes, and the error for an illegal value."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from search_spaces.errors import FusionNasError

if TYPE_CHECKING:
    from search_spaces.ops import Op


class GenotypeError(FusionNasError):
    """A genotype, operator or scale is not legal; the message names the field, the value and the fix."""


Attribute = Union[bool, int, float, str, "Op", tuple["Attribute", ...]]


@dataclass(frozen=True, slots=True)
class Field:
    """Schema of one attribute: numbers within bounds, one of `choices`, text of a `pattern`, or operators named `part`.

    `many` makes it a tuple of at most that many such values, empty only if the default is. Unless `ordered`, their
    order has no effect: they are kept in ascending order.
    """

    default: Attribute
    low: float = 1
    high: float = 64
    choices: tuple[str, ...] = ()
    odd: bool = False
    part: str = ""
    differ: str = ""
    """Parts: the attribute that orders them; its values must differ."""
    many: int = 0
    ordered: bool = False
    pattern: str = ""

    def parse(self, where: str, value: object) -> Attribute:
        """Check `value` and return its canonical form (1 becomes 1.0 if a float is expected)."""
        if not self.many:
            return self._parse_one(where, value)
        least = 1 if self.default else 0
        if not isinstance(value, (list, tuple)) or not least <= len(value) <= self.many:
            raise GenotypeError(f"{where}: expected a list of {least} .. {self.many} entries, got {short(value)}")
        entries: list[Any] = [self._parse_one(f"{where}[{i}]", v) for i, v in enumerate(value)]
        if self.ordered:
            return tuple(entries)
        ranks = [entry[self.differ] for entry in entries] if self.differ else entries
        if self.differ and len(set(ranks)) < len(ranks):
            raise GenotypeError(f"{where}: two entries have the same {self.differ!r}")
        return tuple(entry for _, entry in sorted(zip(ranks, entries, strict=True), key=lambda pair: pair[0]))

    def _parse_one(self, where: str, value: object) -> Attribute:
        kind = self.default[0] if isinstance(self.default, tuple) and self.default else self.default
        if self.part:
            from search_spaces.ops import Op

            if isinstance(value, Op) and value.name == self.part:
                return value
            raise GenotypeError(f"{where}: expected an operator named {self.part!r}, got {short(value)}")
        if self.choices:
            if value in self.choices:
                return str(value)
            raise GenotypeError(f"{where}: {short(value)} is not one of {', '.join(self.choices)}")
        if self.pattern:
            if isinstance(value, str) and re.fullmatch(self.pattern, value):
                return value
            raise GenotypeError(f"{where}: {short(value)} does not match {self.pattern}")
        if isinstance(kind, bool):
            if isinstance(value, bool):
                return value
            raise GenotypeError(f"{where}: expected true or false, got {short(value)}")
        legal = (int,) if isinstance(kind, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, legal):
            raise GenotypeError(f"{where}: expected {_name(legal)}, got {short(value)}")
        if not (self.low <= value <= self.high and math.isfinite(value)):
            raise GenotypeError(f"{where}: {short(value)} is outside {self.low} .. {self.high}")
        if self.odd and value % 2 == 0:
            raise GenotypeError(f"{where}: {short(value)} is even: only an odd size keeps the map's size")
        return value if isinstance(kind, int) else float(value)


def _name(types: tuple[type, ...]) -> str:
    return "a whole number" if types == (int,) else "a number"


def short(value: object) -> str:
    """A value for an error message, cut to 60 characters."""
    if isinstance(value, int) and abs(value) > 10**18:  # repr of a huge int can itself raise
        return "a number of more than 18 digits"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
