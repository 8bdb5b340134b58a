"""`nas inspect RUN`: what a search has found."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from tyro.conf import Positional

from experiments.arguments import parse
from experiments.config import SearchConfig
from experiments.run_directory import RunDirectory
from nas.inspect.draw import describe
from nas.inspect.leaderboard import leaderboard, summary_document
from nas.search.ranking import best
from search_spaces.genotype import Genotype


@dataclass(frozen=True)
class Arguments:
    """Show what a search has found."""

    run: Positional[Path]
    """The run's directory."""
    top: int = 10
    """Trials to list."""
    json: bool = False
    """One JSON document on standard output and nothing else."""


def main(arguments: Sequence[str]) -> int:
    asked = parse(Arguments, "inspect", arguments)
    run = RunDirectory.open(asked.run, SearchConfig)
    objectives = run.config().proxy.objectives
    trials = run.store().trials()
    if asked.json:
        print(json.dumps(summary_document(trials, objectives)))
        return 0
    console = Console()
    console.print(leaderboard(trials, objectives, top=asked.top))
    for trial in trials:
        if trial.error:
            console.print(f"trial {trial.number} failed: {trial.error}", markup=False)
    if winner := best(trials, objectives):
        console.print(f"\nThe winner, trial {winner.number}:")
        console.print(describe(Genotype.from_json(winner.genotype)), markup=False, highlight=False)
    return 0
