"""`nas zoo`: list the published detectors with their costs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from tyro.conf import arg

from experiments.commands.cost import count
from experiments.commands.genotype_argument import find_genotype
from experiments.commands.network_flags import Network, parse_network
from search_spaces.ops import GenotypeError
from search_spaces.zoo import ZOO, zoo


@dataclass(frozen=True)
class Arguments:
    """List the published detectors with their costs, at the published head, scale, image size and class count; flags
    change these for all.

    A system that was published as a neck or module only has an fcos head here. Parameters include frozen ones.
    """

    network: Annotated[Network, arg(name="")]
    json: bool = False
    """Print one JSON document instead of text."""


def main(arguments: Sequence[str]) -> int:
    asked = parse_network(Arguments, "zoo", arguments)
    rows = [_row(name, asked.network) for name in ZOO]
    if asked.json:
        print(json.dumps({"zoo": rows}))
        return 0
    print(_line("name", "head", "px", "parameters", "multiply-adds"))
    of_source: dict[str, list[str]] = {}
    for row in rows:
        if "error" in row:
            numbers = "-", "-"
        else:
            numbers = f"{row['parameters'] / 1e6:.2f} M", f"{row['macs'] / 1e9:.1f} G"
        line = _line(row["name"], row["head"], row["image_size"], *numbers)
        of_source.setdefault(row["source"], []).append(f"{line}  {row['error']}" if "error" in row else line)
    for source, lines in of_source.items():
        print("", source, *lines, sep="\n")
    return 0


def _line(name: str, head: str, px: object, parameters: str, macs: str) -> str:
    """A table row of at most 80 characters, numbers right-aligned."""
    return f"{name:{max(map(len, ZOO))}} {head:12} {px:>4} {parameters:>12} {macs:>14}"


def _row(name: str, network: Network) -> dict[str, Any]:
    """The cost of an entry, or the reason why the network cannot be built from it."""
    entry = find_genotype(f"zoo:{name}")
    row = {"name": name, "source": zoo(name).source, "head": network.head or entry.genotype.head.name}
    try:
        return {**row, **asdict(count(network.of(entry), entry.image_size))}
    except GenotypeError as error:
        return {**row, "image_size": entry.image_size, "error": str(error)}
