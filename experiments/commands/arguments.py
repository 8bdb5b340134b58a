"""Parse the arguments of a verb."""

from collections.abc import Sequence
from typing import TypeVar

import tyro

T = TypeVar("T")


def split_positional(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Split off the first argument if it is not a flag."""
    if arguments and not arguments[0].startswith("-"):
        return arguments[0], list(arguments[1:])
    return None, list(arguments)


def parse(kind: type[T], verb: str, arguments: Sequence[str], default: T | None = None) -> T:
    """Parse flags into an instance of `kind`; exits with code 2 if they are invalid."""
    if default is None:
        return tyro.cli(kind, prog=f"nas {verb}", args=list(arguments))
    return tyro.cli(kind, prog=f"nas {verb}", args=list(arguments), default=default)
