"""`nas draw GENOTYPE`: draw the graph, feature level against order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from experiments.commands.genotype_argument import find_genotype
from experiments.commands.network_flags import Network, parse_network
from experiments.errors import UsageError
from nas.inspect.console import open_console
from nas.inspect.draw import describe, draw
from nas.inspect.graphml import GRAPHML, write_graphml

SUFFIXES = (".svg", ".png", ".pdf", GRAPHML)


@dataclass(frozen=True)
class Arguments:
    """Draw the graph of a genotype, feature level against order, as in the SpineNet paper."""

    genotype: Positional[str]
    """Topology: a JSON file, zoo:NAME, RUN (best trial) or RUN#N (trial N)."""
    network: Annotated[Network, arg(name="")]
    out: Path | None = None
    """Output file ending in .svg, .png, .pdf, or .graphml for Gephi, yEd or networkx; if omitted, NAME.svg in the
    current directory."""


def main(arguments: Sequence[str]) -> int:
    asked = parse_network(Arguments, "draw", arguments)
    named = asked.network.of(find_genotype(asked.genotype))
    out = asked.out or Path(f"{named.label}.svg")
    if out.suffix not in SUFFIXES:
        raise UsageError(f"--out {out}: give a name that ends in one of {', '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no directory {out.parent}")
    if out.suffix == GRAPHML:
        write_graphml(named.genotype, out)
    else:
        draw(named.genotype, out, title=named.label)
    console = open_console()
    console.print(describe(named.genotype, named.scale, named.num_classes))
    console.print(f"drawn to {out}")
    return 0
