"""`nas published`: compare published parameter counts and costs with ours."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.table import Column, Table

from experiments.commands.arguments import parse
from experiments.published import FIGURES
from experiments.published.figure import Compared
from nas.inspect.console import open_console

WIDTH = 140


@dataclass(frozen=True)
class Arguments:
    """Compare published parameter counts and costs with ours; exit code 1 if one is outside its tolerance."""

    json: bool = False
    """Print one JSON document instead of text."""


def main(arguments: Sequence[str]) -> int:
    asked = parse(Arguments, "published", arguments)
    rows = [figure.compare() for figure in FIGURES]
    failed = [row for row in rows if not row.holds]
    if asked.json:
        document = [{**asdict(row), "difference": row.difference, "holds": row.holds} for row in rows]
        print(json.dumps({"figures": document, "failed": len(failed)}))
        return 1 if failed else 0
    console = open_console()
    console.width = max(console.width, WIDTH)  # a terminal wraps long lines more readably than a table wraps cells
    console.print(_table(rows))
    slips = [row for row in rows if row.holds and row.difference]
    console.print(f"{len(rows) - len(failed) - len(slips)} of {len(rows)} figures equal")
    for row in (*slips, *failed):
        what = "within its tolerance" if row.holds else "OUTSIDE its tolerance"
        console.print(f"{row.system} {row.name}: {what}. {row.note}")
    return 1 if failed else 0


def _table(rows: Sequence[Compared]) -> Table:
    figure, source = (Column(title, overflow="fold") for title in ("figure", "source"))
    numbers = (Column(title, justify="right", no_wrap=True) for title in ("published", "ours", "difference"))
    table = Table(figure, *numbers, source, box=None, pad_edge=False)
    for row in rows:
        difference = f"{row.difference:+,}" if row.difference else "0"
        name = f"{row.system} {row.name}"
        table.add_row(name, f"{row.published:,}", f"{row.ours:,}", difference, row.note or "paper")
    return table
