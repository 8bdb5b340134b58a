"""`nas resume RUN`: go on with a search that was interrupted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from experiments.commands.arguments import parse
from experiments.run.config import SearchConfig
from experiments.run.directory import RunDirectory
from experiments.run.judge import prepare
from experiments.run.search import carry_on, join
from nas.inspect.console import open_console


@dataclass(frozen=True)
class Arguments:
    """Go on with a search that was interrupted, up to the trials it was asked for."""

    run: Positional[Path]
    """The run's directory."""


def main(arguments: Sequence[str]) -> int:
    run = RunDirectory.open(parse(Arguments, "resume", arguments).run, SearchConfig)
    console = open_console()
    judge = prepare(run, console)
    return carry_on(run, join(run), judge, console)
