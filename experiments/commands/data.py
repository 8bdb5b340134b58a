"""`nas data check DIR`: report errors, warnings and notes about a data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import Progress
from tyro.conf import Positional

from experiments.commands.arguments import parse
from experiments.errors import UsageError
from experiments.run.data import print_diagnostic
from nas.data.diagnostics import Severity
from nas.data.directory import Examined, check_directory
from nas.inspect.console import open_console


@dataclass(frozen=True)
class Arguments:
    """Report every error and oddity of a data set in COCO's format; opens every image and trains nothing.

    Exit code 1 if the report has an error or a warning, else 0. Notes list what training leaves out or changes on
    purpose.
    """

    action: Positional[Literal["check"]]
    """What to do with the data set."""
    directory: Positional[Path]
    """Directory with train.json, val.json and images/, or in the layout of COCO or Roboflow."""


def main(arguments: Sequence[str]) -> int:
    asked = parse(Arguments, "data", arguments or ["--help"])
    if not asked.directory.is_dir():
        raise UsageError(f"{asked.directory} is not a directory; give one that holds train.json and val.json")
    console = open_console()
    examined = _examine(asked.directory, console)
    for split in examined:
        _print(split, console)
    wrong = [one for split in examined for one in split.found if one.severity != Severity.note]
    errors = sum(one.severity == Severity.error for one in wrong)
    console.print(f"{errors} errors, {len(wrong) - errors} warnings" if wrong else "nothing wrong")
    return 1 if wrong else 0


def _examine(directory: Path, console: Console) -> tuple[Examined, Examined]:
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("opening images", total=None)
        return check_directory(directory, lambda done, total: progress.update(task, completed=done, total=total))


def _print(split: Examined, console: Console) -> None:
    data = split.data
    size = (
        f"{len(data):,} images, {data.num_objects:,} objects of {data.num_classes} categories" if data else "unusable"
    )
    console.print(f"{split.name}: {size}", style="bold", soft_wrap=True)
    for one in split.found:
        print_diagnostic(one, console)
