"""A contract: promises in words, each with the check that tests it."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Contract = Mapping[str, Callable[[T], None]]
"""Promise -> check of a subject, which raises `Broken` or lets an exception of the subject through."""


class Broken(Exception):
    """A promise is broken; the message has the evidence and the fix."""


@dataclass(frozen=True)
class Outcome:
    """The result of checking a promise; `fault` is None if it holds."""

    promise: str
    fault: str | None = None


def outcomes(contract: Contract[T], subject: T) -> Iterator[Outcome]:
    """Check a subject against each promise in turn."""
    for promise, check in contract.items():
        try:
            check(subject)
        except Broken as broken:
            yield Outcome(promise, str(broken))
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(last.filename).name}:{last.lineno}"
            yield Outcome(promise, f"{type(error).__name__}: {error} (raised in {place}): fix the code that raises it")
        else:
            yield Outcome(promise)
