"""Deferred imports for tables of builders: the tables can be read without torch."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def deferred(path: str) -> Callable[..., Any]:
    """A function that imports `module:name` when called, and calls it."""
    module, _, name = path.partition(":")

    def call(*arguments: Any) -> Any:
        return getattr(import_module(module), name)(*arguments)

    return call
