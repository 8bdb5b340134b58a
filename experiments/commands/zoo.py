"""`nas zoo`: the published systems."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from experiments.arguments import parse
from nas.cost import cost
from search_spaces.zoo import ZOO, zoo


@dataclass(frozen=True)
class Arguments:
    """List the published systems with their cost, at the class count they were published with."""

    json: bool = False
    """One JSON document on standard output and nothing else."""


def main(arguments: Sequence[str]) -> int:
    asked = parse(Arguments, "zoo", arguments)
    rows = [_row(name) for name in ZOO]
    if asked.json:
        print(json.dumps({"zoo": rows}))
        return 0
    table = Table("name", "image", "parameters", "multiply-adds", "source")
    for row in rows:
        size = f"{row['image_size']} px"
        table.add_row(
            row["name"], size, f"{row['parameters'] / 1e6:.2f} M", f"{row['macs'] / 1e9:.1f} G", row["source"]
        )
    Console().print(table)
    return 0


def _row(name: str) -> dict[str, Any]:
    entry = zoo(name)
    counted = cost(
        entry.genotype,
        entry.scale,
        image_size=entry.image_size,
        num_classes=entry.num_classes,
        frozen=entry.frozen,
    )
    return {"name": name, "source": entry.source, **asdict(counted)}
