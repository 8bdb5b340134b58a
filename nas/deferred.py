"""What a table names, imported when it is first called: reading the table needs no torch."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def deferred(path: str) -> Callable[..., Any]:
    """The function or class at `module:name`, as a function that imports it when it is called."""
    module, _, name = path.partition(":")

    def call(*arguments: Any) -> Any:
        return getattr(import_module(module), name)(*arguments)

    return call
