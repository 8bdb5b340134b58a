"""`nas bench strategies`: which strategy finds the best of a table soonest."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.table import Column, Table
from tyro.conf import Positional

from experiments.bench.strategies import BUDGETS, CLOSE, Regret, Speed, compare
from experiments.bench.table import Table as Scores
from experiments.commands.arguments import parse
from experiments.errors import UsageError
from nas.inspect.console import open_console
from nas.search.strategies import STRATEGIES, StrategyConfig
from search_spaces.naming import unknown


@dataclass(frozen=True)
class Arguments:
    """Compare strategies on a table of accuracies: how many evaluations each needs to come close to the best, and how
    far from it what looks best is once scores are noisy.
    """

    what: Positional[Literal["strategies"]]
    """What is compared."""
    table: Path
    """JSON with `accuracy` by key, and perhaps `equivalence_class` by key: each digit of a key is a decision, and keys
    of one class are the same thing."""
    seeds: int = 20
    """Runs of each strategy."""
    noise: float = 0.2
    """Standard deviation of the noise on a score, in points."""
    only: tuple[str, ...] = ()
    """Strategies to compare; all if not given."""
    json: bool = False
    """One JSON document on standard output and nothing else."""


def main(arguments: Sequence[str]) -> int:
    asked = parse(Arguments, "bench", arguments)
    if asked.seeds < 2:
        raise UsageError(f"seeds: {asked.seeds} tell no spread: give at least 2")
    if not 0 <= asked.noise < math.inf:
        raise UsageError(f"noise: {asked.noise} is no standard deviation: give 0 or more")
    for name in asked.only:
        if name not in STRATEGIES:
            raise UsageError(f"only: {unknown('strategy', name, STRATEGIES)}")
    names = tuple(dict.fromkeys(asked.only)) or tuple(STRATEGIES)
    table = Scores.read(asked.table)
    speeds, regrets = compare(table, names, asked.seeds, noise=asked.noise)
    if asked.json:
        about = {"table": table.name, "seeds": asked.seeds, "noise": asked.noise, "default": StrategyConfig().name}
        print(json.dumps({**about, "speed": [*map(asdict, speeds)], "regret": [*map(asdict, regrets)]}))
        return 0
    console = open_console()
    console.print(
        f"{table.name}: {len(table.kinds):,} traces, {len(table.accuracy):,} keys, best {table.best:.2f}; "
        f"{asked.seeds} seeds; {StrategyConfig().name} is the default"
    )
    console.print(_speeds(speeds), _regrets(regrets, asked.noise, len(table.accuracy)))
    return 0


def _speeds(speeds: Sequence[Speed]) -> Table:
    title = f"Evaluations to come within {CLOSE} of the best"
    numbers = (Column(name, justify="right") for name in ("lower quartile", "median", "upper quartile", "missed"))
    table = Table("strategy", *numbers, title=title, title_justify="left", box=None, pad_edge=False)
    for row in speeds:
        table.add_row(row.strategy, *(f"{count:,.0f}" for count in row.quartiles), str(row.missed))
    return table


def _regrets(regrets: Sequence[Regret], noise: float, keys: int) -> Table:
    """After as many evaluations as there are keys there is nothing left to tell strategies by."""
    title = f"With noise of {noise:g}, true regret of what scores best"
    numbers = (Column(f"after {budget}", justify="right") for budget in BUDGETS)
    table = Table("strategy", *numbers, title=title, title_justify="left", box=None, pad_edge=False)
    for row in regrets:
        found = zip(BUDGETS, row.means, row.errors, strict=True)
        table.add_row(row.strategy, *(f"{mean:.3f} ± {error:.3f}" if n < keys else "-" for n, mean, error in found))
    return table
