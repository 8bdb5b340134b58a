"""A tabular benchmark: a table of scores as a search space."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Self

from pydantic import BaseModel, ValidationError

from experiments.errors import UsageError, faults
from search_spaces.choose import Chooser


class _Document(BaseModel):
    accuracy: dict[str, float]
    equivalence_class: dict[str, int | str] | None = None


@dataclass(frozen=True)
class Cell:
    """A row of a table."""

    digits: str
    kind: str
    """Equivalence class; cells of one class count as the same member."""

    def key(self) -> str:
        return self.kind

    def to_json(self) -> str:
        return json.dumps(self.digits)


@dataclass(frozen=True)
class Table:
    """A space whose members are the keys of a table: each digit is a decision.

    Attributes:
        kinds: key of the table -> its equivalence class.
        accuracy: class -> accuracy in per cent, the mean over its keys.
    """

    name: str
    kinds: Mapping[str, str]
    accuracy: Mapping[str, float]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a JSON document with `accuracy` by key and, optionally, `equivalence_class` by key.

        Raises:
            UsageError: the file cannot be read, is not such a document, or lacks a combination of digits.
        """
        try:
            document = _Document.model_validate_json(path.read_bytes())
        except OSError as error:
            raise UsageError(f"table: {path} cannot be read ({error.strerror}): give a JSON file") from error
        except ValidationError as error:
            raise UsageError(f"{path} is not a table of accuracies: {faults(error)}") from error
        return cls.of(path.stem, document.accuracy, document.equivalence_class)

    @classmethod
    def of(cls, name: str, accuracy: Mapping[str, float], classes: Mapping[str, int | str] | None = None) -> Self:
        """Build a table of accuracies by key; without classes every key is its own class.

        Raises:
            UsageError: the keys are not all combinations of some digits, a key lacks a class, or an accuracy is NaN.
        """
        if not accuracy:
            raise UsageError(f"table {name!r} has no keys: give accuracies by key")
        if bad := [key for key, value in accuracy.items() if not isfinite(value)]:
            raise UsageError(f"table {name!r}: the accuracy of {bad[0]!r} is {accuracy[bad[0]]}: give a number")
        if max(accuracy.values()) <= 1:  # fractions of 1
            accuracy = {key: 100 * value for key, value in accuracy.items()}
        if missing := sorted(set(accuracy).difference(accuracy if classes is None else classes))[:3]:
            raise UsageError(f"table {name!r}: equivalence_class lacks {missing}: give every key a class")
        kinds = {key: key if classes is None else str(classes[key]) for key in accuracy}
        found = defaultdict[str, list[float]](list)
        for key, kind in kinds.items():
            found[kind].append(accuracy[key])
        table = cls(name, kinds, {kind: fmean(values) for kind, values in found.items()})
        size = 1
        for digits in table.options:
            size *= len(digits)
        if size != len(kinds) or len({len(key) for key in kinds}) != 1:
            raise UsageError(
                f"table {name!r}: {len(kinds)} keys are not all {size} combinations of their digits: give every "
                "combination an accuracy, under keys of equal length"
            )
        return table

    @cached_property
    def options(self) -> Sequence[str]:
        """The possible digits of each position."""
        return ["".join(sorted(set(place))) for place in zip(*self.kinds, strict=False)]

    @property
    def best(self) -> float:
        return max(self.accuracy.values())

    def build(self, choose: Chooser, /) -> Cell:
        digits = "".join(choose(f"digit{i}", options) for i, options in enumerate(self.options))
        return Cell(digits, self.kinds[digits])
