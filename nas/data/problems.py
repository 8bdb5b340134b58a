"""Problems: everything wrong with a file, told at once."""

from dataclasses import dataclass, field
from pathlib import Path

from nas.data.detection_set import DataError

_SHOWN = 3


@dataclass(frozen=True)
class Kind:
    """A sort of problem and what to do about it."""

    what: str
    fix: str


@dataclass
class Problems:
    """Collects problems of one file by kind, to raise them as a single error."""

    file: Path
    _found: dict[Kind, list[str]] = field(default_factory=dict)

    def add(self, kind: Kind, example: str) -> None:
        """Note one problem; `example` names the entry it is about."""
        self._found.setdefault(kind, []).append(example)

    def raise_any(self) -> None:
        """Do nothing if nothing was noted.

        Raises:
            DataError: the first few examples of each kind, their number, and the fix.
        """
        if self._found:
            lines = [_line(kind, examples) for kind, examples in self._found.items()]
            raise DataError("\n  ".join([f"{self.file} cannot be used:", *lines]))


def _line(kind: Kind, examples: list[str]) -> str:
    more = ", ..." if len(examples) > _SHOWN else ""
    return f"{kind.what} ({len(examples)}): {', '.join(examples[:_SHOWN])}{more}. Fix: {kind.fix}."
