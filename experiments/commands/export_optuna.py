"""`nas export-optuna RUN --storage STORAGE`: export a search to an Optuna study."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress
from tyro.conf import Positional

from experiments.commands.arguments import parse
from experiments.errors import UsageError
from experiments.run.config import SearchConfig
from experiments.run.directory import RunDirectory
from experiments.run.judge import objectives
from nas.data.open import open_data
from nas.inspect.console import open_console
from proxies.budget import Budget, Limits
from search_spaces.genotype import Genotype
from search_spaces.registry import find_space


@dataclass(frozen=True)
class Arguments:
    """Export the ended trials of a search to an Optuna study; a repeated export adds the new ones."""

    run: Positional[Path]
    """Directory of the run."""
    storage: str
    """Optuna storage: a database URL such as sqlite:///optuna.db, or a journal file."""
    study: str | None = None
    """Name of the study; if omitted, that of the run."""


def main(arguments: Sequence[str]) -> int:
    asked = parse(Arguments, "export-optuna", arguments)
    run = RunDirectory.open(asked.run, SearchConfig)
    config = run.config
    trials, ranked_by = run.store().trials(), objectives(run)
    ended = sum(trial.state.ended for trial in trials)
    if not ended:
        raise UsageError(f"{run.path} has no ended trial yet: continue it with `nas resume {run.path}`")
    from experiments.run.optuna_export import export

    name = asked.study or run.path.resolve().name
    console = open_console(soft_wrap=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("exporting", total=ended)
        added = export(
            trials,
            ranked_by,
            find_space(config.space),
            asked.storage,
            name,
            constraints=_constraints(config),
            watch=lambda: bar.advance(task),
        )
    console.print(f"study {name!r} in {asked.storage}: {added} trials added, {ended - added} already there")
    console.print(f"look     optuna-dashboard {asked.storage}")
    return 0


def _constraints(config: SearchConfig) -> Callable[[str], list[float]]:
    if config.limits == Limits():
        return lambda genotype: []
    budget = Budget(config.limits, config.proxy, open_data(config.data, config.digits)[0].num_classes)
    return lambda genotype: budget.beyond(Genotype.from_json(genotype))
