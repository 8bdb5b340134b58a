"""A canary checks one symbol of another package."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Canary:
    """One symbol.

    Attributes:
        symbol: import path, the package's name first.
        file: where we use it.
        reliance: the behaviour that we rely on, printed on failure.
        check: raises if the behaviour has changed.
    """

    symbol: str
    file: str
    reliance: str
    check: Callable[[], None]


CANARIES: list[Canary] = []


def canary(symbol: str, file: str, reliance: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def add(check: Callable[[], None]) -> Callable[[], None]:
        CANARIES.append(Canary(symbol, file, reliance, check))
        return check

    return add


def found(path: str) -> Any:
    """The object at an import path: the longest importable module, then attributes."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            value = getattr(value, name)
        return value
    raise ModuleNotFoundError(path)


def takes(path: str, *names: str) -> Callable[[], None]:
    """Check that the function has these parameters, positional ones first and in this order."""

    def check() -> None:
        parameters = [name for name in inspect.signature(found(path)).parameters if name != "self"]
        assert [name for name in parameters if name in names] == list(names), f"it takes {parameters}"

    return check


def source(module: str) -> str:
    """A module's text, read without importing it."""
    spec = find_spec(module)
    assert spec is not None, f"no module {module}"
    assert spec.origin is not None
    return Path(spec.origin).read_text()


def mentions(module: str, *texts: str) -> Callable[[], None]:
    def check() -> None:
        text = source(module)
        assert [each for each in texts if each not in text] == [], f"no longer in {module}"

    return check


def rows(file: str, reliance: str, checks: dict[str, Callable[[], None]]) -> None:
    CANARIES.extend(Canary(symbol, file, reliance, check) for symbol, check in checks.items())
