"""`nas zoo`: the published systems and what each costs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from experiments.arguments import parse
from nas.cost import cost
from search_spaces.zoo import ZOO, zoo


@dataclass(frozen=True)
class Arguments:
    """List the published systems, each under its own head at its published scale, image size and class count.

    An fcos head stands for a neck or module alone. Parameters are all that there are, frozen ones included.
    """

    json: bool = False
    """One JSON document on standard output and nothing else."""


def main(arguments: Sequence[str]) -> int:
    asked = parse(Arguments, "zoo", arguments)
    rows = [_row(name) for name in ZOO]
    if asked.json:
        print(json.dumps({"zoo": rows}))
        return 0
    print(_line("name", "head", "px", "parameters", "multiply-adds"))
    of_source: dict[str, list[str]] = {}
    for row in rows:
        parameters, macs = f"{row['parameters'] / 1e6:.2f} M", f"{row['macs'] / 1e9:.1f} G"
        line = _line(row["name"], row["head"], row["image_size"], parameters, macs)
        of_source.setdefault(row["source"], []).append(line)
    for source, lines in of_source.items():
        print("", source, *lines, sep="\n")
    return 0


def _line(name: str, head: str, px: object, parameters: str, macs: str) -> str:
    """At most 80 characters; the numbers to the right."""
    return f"{name:{max(map(len, ZOO))}} {head:12} {px:>4} {parameters:>12} {macs:>14}"


def _row(name: str) -> dict[str, Any]:
    entry = zoo(name)
    counted = cost(
        entry.genotype,
        entry.scale,
        image_size=entry.image_size,
        num_classes=entry.num_classes,
        frozen=entry.frozen,
    )
    return {"name": name, "source": entry.source, "head": entry.genotype.head.name, **asdict(counted)}
