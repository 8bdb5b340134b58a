"""`nas resume RUN`: continue an interrupted search."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from experiments.commands.arguments import parse
from experiments.run.config import SearchConfig
from experiments.run.directory import RunDirectory
from experiments.run.judge import build_judge
from experiments.run.search import announce, carry_on, join
from nas.inspect.console import open_console


@dataclass(frozen=True)
class Arguments:
    """Continue an interrupted search up to its configured number of trials."""

    run: Positional[Path]
    """Directory of the run."""


def main(arguments: Sequence[str]) -> int:
    run = RunDirectory.open(parse(Arguments, "resume", arguments).run, SearchConfig)
    console = open_console()
    announce(run, console)
    judge = build_judge(run, console)
    return carry_on(run, join(run), judge, console)
