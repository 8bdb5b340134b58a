"""Reading a verb's arguments."""

from collections.abc import Sequence
from typing import TypeVar

import tyro

T = TypeVar("T")


def split_positional(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The leading argument that is no flag, and the rest."""
    if arguments and not arguments[0].startswith("-"):
        return arguments[0], list(arguments[1:])
    return None, list(arguments)


def parse(kind: type[T], verb: str, arguments: Sequence[str], default: T | None = None) -> T:
    """Flags as a typed value; exits with code 2 where they are unusable."""
    if default is None:
        return tyro.cli(kind, prog=f"nas {verb}", args=list(arguments))
    return tyro.cli(kind, prog=f"nas {verb}", args=list(arguments), default=default)
