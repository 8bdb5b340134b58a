"""`nas bench strategies`: compare how fast strategies find the best entry of a table."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.table import Column, Table
from tyro.conf import Positional

from experiments.commands.arguments import parse
from experiments.errors import UsageError
from experiments.tabular.strategies import BUDGETS, CLOSE, Regret, Speed, compare
from experiments.tabular.table import Table as Scores
from nas.inspect.console import open_console
from nas.search.strategies import DEFAULT, STRATEGIES
from search_spaces.naming import unknown


@dataclass(frozen=True)
class Arguments:
    """Compare strategies on a table of accuracies: the number of evaluations to come close to the best accuracy, and,
    with noisy scores, the true regret of the best-scoring entry.
    """

    what: Positional[Literal["strategies"]]
    """What to compare."""
    table: Path
    """JSON file: `accuracy` maps keys to accuracies, the optional `equivalence_class` maps keys to classes of equal
    networks. Each digit of a key is one decision."""
    seeds: int = 20
    """Number of runs (random seeds) per strategy."""
    noise: float = 0.2
    """Standard deviation of the noise added to scores, in points of accuracy."""
    only: tuple[str, ...] = ()
    """Strategies to compare; if omitted, all."""
    json: bool = False
    """Print one JSON document instead of text."""


def main(arguments: Sequence[str]) -> int:
    asked = parse(Arguments, "bench", arguments)
    if asked.seeds < 2:
        raise UsageError(f"--seeds {asked.seeds}: quartiles and errors need several runs: give at least 2")
    if not 0 <= asked.noise < math.inf:
        raise UsageError(f"--noise {asked.noise}: a standard deviation is finite and not negative: give 0 or more")
    for name in asked.only:
        if name not in STRATEGIES:
            raise UsageError(f"--only: {unknown('strategy', name, STRATEGIES)}")
    names = tuple(dict.fromkeys(asked.only)) or tuple(STRATEGIES)
    table = Scores.read(asked.table)
    speeds, regrets = compare(table, names, asked.seeds, noise=asked.noise)
    if asked.json:
        about = {"table": table.name, "seeds": asked.seeds, "noise": asked.noise, "default": DEFAULT}
        print(json.dumps({**about, "speed": [*map(asdict, speeds)], "regret": [*map(asdict, regrets)]}))
        return 0
    console = open_console()
    console.print(
        f"{table.name}: {len(table.kinds):,} traces, {len(table.accuracy):,} keys, best {table.best:.2f}; "
        f"{asked.seeds} seeds; {DEFAULT} is the default"
    )
    console.print(_speeds(speeds), _regrets(regrets, asked.noise, len(table.accuracy)))
    return 0


def _speeds(speeds: Sequence[Speed]) -> Table:
    title = f"Evaluations until an entry within {CLOSE} of the best is found"
    numbers = (Column(name, justify="right") for name in ("lower quartile", "median", "upper quartile", "missed"))
    table = Table("strategy", *numbers, title=title, title_justify="left", box=None, pad_edge=False)
    for row in speeds:
        table.add_row(row.strategy, *(f"{count:,.0f}" for count in row.quartiles), str(row.missed))
    return table


def _regrets(regrets: Sequence[Regret], noise: float, keys: int) -> Table:
    """Shows `-` where a budget covers all keys, since every strategy has then found the best."""
    title = f"True regret of the best-scoring entry, with noise of {noise:g}"
    numbers = (Column(f"after {budget}", justify="right") for budget in BUDGETS)
    table = Table("strategy", *numbers, title=title, title_justify="left", box=None, pad_edge=False)
    for row in regrets:
        found = zip(BUDGETS, row.means, row.errors, strict=True)
        table.add_row(row.strategy, *(f"{mean:.3f} ± {error:.3f}" if n < keys else "-" for n, mean, error in found))
    return table
