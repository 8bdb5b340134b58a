"""The console of the commands: text is printed verbatim, with replacements for characters the terminal lacks."""

import codecs
import os
import sys
from contextlib import suppress
from io import TextIOWrapper

from rich.console import Console

_PLAIN = {"★": "*", "…": "...", "–": "-", "—": "-", "×": "x"}
_ERRORS = "fusion-nas-plain"
_FILE_WIDTH = 160
"""Characters per line of output that goes to no terminal, so that tables are whole."""


def open_console(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """A console without markup in square brackets: paths, names and errors may contain brackets.

    Args:
        stderr: whether it writes to standard error.
        soft_wrap: whether the terminal wraps long lines instead of the console.
    """
    console = Console(stderr=stderr, soft_wrap=soft_wrap, markup=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _FILE_WIDTH
    return console


def accept_all_text() -> None:
    """Let standard output and standard error replace characters that their encoding lacks, instead of failing."""
    codecs.register_error(_ERRORS, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            with suppress(ValueError):  # a stream that is closed
                stream.reconfigure(errors=_ERRORS)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(c, "?") for c in error.object[error.start : error.end]), error.end
