"""Parse the arguments of a verb or a benchmark with tyro, and reflow the texts of its help."""

import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import tyro
from pydantic import ValidationError
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructTypeInfo

from experiments.errors import faults

T = TypeVar("T")


def split_positional(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Split off the first argument if it is not a flag: for a verb whose flags or defaults depend on that argument."""
    if arguments and not arguments[0].startswith("-"):
        return arguments[0], list(arguments[1:])
    return None, list(arguments)


def parse(kind: type[T], verb: str, arguments: Sequence[str], default: T | None = None) -> T:
    """Parse flags into an instance of `kind`; exits with code 2 if they are invalid.

    Args:
        kind: class of the result; its docstring introduces the help.
        verb: verb that the arguments belong to, for usage messages.
        arguments: command-line arguments.
        default: defaults of the result; if omitted, those of the class.
    """
    return tyro.cli(
        kind,
        prog=f"nas {verb}",
        description=wrapped(kind.__doc__ or ""),
        args=list(arguments),
        default=tyro.MISSING_NONPROP if default is None else default,
        registry=_REGISTRY,
    )


def run(main: Callable[..., T], about: str | None) -> T:
    """Call a script's function with the arguments of the command line; exits with code 2 if they are invalid.

    Args:
        main: function with a flag for each parameter, whose help is in the function's docstring.
        about: docstring of the script, which introduces the help.
    """
    return tyro.cli(main, prog=Path(sys.argv[0]).name, description=wrapped(about or ""), registry=_REGISTRY)


def wrapped(text: str) -> str:
    """A description at the terminal's width: tyro wraps none, and joins its lines unless they are indented."""
    fill = textwrap.TextWrapper(
        width=shutil.get_terminal_size().columns, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )
    return "\n".join(map(fill.fill, _joined(text).split("\n\n")))


def _joined(text: str) -> str:
    """The text with one line per paragraph."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


class _PlainText:
    """The rules of tyro, with the lines of a field's docstring joined, and errors of values in one line."""

    busy = False

    def __call__(self, info: StructTypeInfo) -> StructConstructorSpec | None:
        if self.busy:
            return None  # the next rules are tyro's own
        self.busy = True
        try:
            found = ConstructorRegistry.get_struct_spec(info)
        finally:
            self.busy = False
        if not isinstance(found, StructConstructorSpec):
            return None
        fields = (replace(field, helptext=partial(_help, field.helptext)) for field in found.fields)
        return replace(found, fields=tuple(fields), instantiate=partial(_instantiate, found.instantiate))


def _instantiate(build: Callable[..., object], *arguments: object, **fields: object) -> object:
    """Build an instance; pydantic's errors name the field, the value and the reason alone."""
    try:
        return build(*arguments, **fields)
    except ValidationError as error:
        raise ValueError(faults(error)) from None


def _help(text: str | Callable[[], str | None] | None) -> str | None:
    text = text() if callable(text) else text
    return text and _joined(text)


_REGISTRY = ConstructorRegistry()
_REGISTRY.struct_rule(_PlainText())
