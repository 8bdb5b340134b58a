"""`nas inspect RUN`: show the results of a search."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from tyro.conf import Positional

from experiments.commands.arguments import parse
from experiments.errors import UsageError
from experiments.run.config import SearchConfig
from experiments.run.directory import RunDirectory
from experiments.run.judge import objectives as objectives_of
from nas.inspect.console import open_console
from nas.inspect.draw import describe
from nas.inspect.leaderboard import front_table, leaderboard, summary_document
from nas.inspect.pareto import plot
from nas.search.objectives import best, objective_vector, pareto_front
from nas.search.types import Direction, Trial
from proxies.predictor.ensemble import cross_validate
from proxies.predictor.features import features
from search_spaces.genotype import Genotype


@dataclass(frozen=True)
class Arguments:
    """Show the results of a search: leaderboard, Pareto front, failures and winner."""

    run: Positional[Path]
    """Directory of the run."""
    top: int = 10
    """Number of trials to list."""
    pareto: Path | None = None
    """Also plot the Pareto front to this SVG file."""
    json: bool = False
    """Print one JSON document instead of text."""


def main(arguments: Sequence[str]) -> int:
    asked = parse(Arguments, "inspect", arguments)
    if asked.top < 1:
        raise UsageError(f"--top {asked.top}: give 1 or more")
    run = RunDirectory.open(asked.run, SearchConfig)
    objectives, store = objectives_of(run), run.store()
    trials = store.trials()
    if asked.pareto:
        _plot(asked.pareto, trials, objectives)
    if asked.json:
        print(json.dumps(summary_document(trials, objectives, rejected=store.rejected)))
        return 0
    console = open_console()
    console.print(leaderboard(trials, objectives, top=asked.top))
    if store.rejected:
        console.print(f"{store.rejected} proposals were rejected: outside the limits, or impossible to build")
    if len(objectives) > 1:
        console.print("\nThe Pareto front of " + ", ".join(f"{name} ({way})" for name, way in objectives.items()) + ":")
        console.print(front_table(trials, objectives))
    for trial in trials:
        if trial.error:
            console.print(f"trial {trial.number} failed: {trial.error}")
    if winner := best(trials, objectives):
        console.print(f"\nThe winner, trial {winner.number}:")
        console.print(describe(Genotype.from_json(winner.genotype)))
    _print_predictor_tau(trials, objectives, console)
    return 0


def _plot(file: Path, trials: Sequence[Trial], objectives: Mapping[str, Direction]) -> None:
    """Plot the Pareto front.

    Raises:
        UsageError: the file name does not end in .svg, or the run has no front.
    """
    if file.suffix != ".svg":
        raise UsageError(f"--pareto {file}: give a file that ends in .svg")
    if not file.parent.is_dir():
        raise UsageError(f"--pareto {file}: there is no directory {file.parent}")
    if len(objectives) < 2:
        raise UsageError(
            "--pareto: one objective gives no Pareto front: search with two, such as --objectives ap gmacs"
        )
    if not pareto_front(trials, objectives):
        raise UsageError("--pareto: no trial has scores yet")
    file.write_text(plot(trials, objectives))


def _print_predictor_tau(trials: Sequence[Trial], objectives: Mapping[str, Direction], console: Console) -> None:
    """Print the predictor's cross-validated Kendall tau, if there are enough trials to compute it."""
    ended = [trial for trial in trials if trial.state.ended]
    scores = {trial.genotype: values[0] for trial in ended if (values := objective_vector(trial, objectives))}
    tau = cross_validate(features, [Genotype.from_json(genotype) for genotype in scores], list(scores.values()))
    if tau is not None:
        first = next(iter(objectives))
        console.print(
            f"\nTrained on {len(scores)} trials, the predictor ranks unseen ones by {first} with a Kendall tau of "
            f"{tau:.2f} (cross-validation; 0 is chance)."
        )
