"""Diagnostics: findings of reading a data set, by kind, with the first few examples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from nas.data.detection_set import DataError, Diagnostic

_SHOWN = 3


class Severity(StrEnum):
    """Severity of a diagnostic, in printing order."""

    error = "error"
    """The set cannot be used."""
    warning = "warning"
    """The set can be used, and something in it is probably wrong."""
    note = "note"
    """The set is fine; something was left out or changed on purpose."""


@dataclass(frozen=True)
class Kind:
    """A kind of diagnostic.

    Attributes:
        what: a noun phrase of the finding and its consequence; a count and examples follow it.
        advice: the fix, as an imperative without a full stop; may be empty.
        severity: error, warning or note.
    """

    what: str
    advice: str
    severity: Severity = Severity.error


@dataclass
class Diagnostics:
    """Collects the diagnostics of one file, so that a user sees all of them at once."""

    file: Path
    _counts: dict[Kind, int] = field(default_factory=dict)
    _examples: dict[Kind, list[str]] = field(default_factory=dict)

    def add(self, kind: Kind, example: str) -> None:
        """Record one entry; `example` names it."""
        self.add_all(kind, 1, [example])

    def add_all(self, kind: Kind, count: int, examples: Iterable[str] = ()) -> None:
        """Record `count` entries; `examples` name the first few; nothing if `count` is 0."""
        if not count:
            return
        self._counts[kind] = self._counts.get(kind, 0) + count
        known = self._examples.setdefault(kind, [])
        if len(known) < _SHOWN:
            known.extend(list(examples)[: _SHOWN - len(known)])

    def raise_errors(self) -> None:
        """Raise if any error was recorded.

        Raises:
            DataError: every kind of error with its count, first few examples and fix.
        """
        if errors := [one for one in self.found if one.severity == Severity.error]:
            raise DataError("\n  ".join([f"{self.file} cannot be used:", *(one.text for one in errors)]))

    @property
    def found(self) -> tuple[Diagnostic, ...]:
        """Everything recorded, errors first."""
        order = list(Severity)
        kinds = sorted(self._counts, key=lambda kind: order.index(kind.severity))
        return tuple(self._diagnostic(kind) for kind in kinds)

    def _diagnostic(self, kind: Kind) -> Diagnostic:
        count = self._counts[kind]
        return Diagnostic(self.file, kind.severity, kind.what, count, _text(kind, count, self._examples[kind]))


def _text(kind: Kind, count: int, examples: Sequence[str]) -> str:
    shown = ", ".join(examples) + (", ..." if examples and count > len(examples) else "")
    sentence = f"{kind.what} ({count:,})" + (f": {shown}" if shown else "")
    sentence += "" if sentence.endswith("...") else "."
    if not kind.advice:
        return sentence
    fix = f"Fix: {kind.advice}" if kind.severity == Severity.error else kind.advice[0].upper() + kind.advice[1:]
    return f"{sentence} {fix}."
