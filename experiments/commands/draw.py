"""`nas draw GENOTYPE`: draw the graph, level against order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from tyro.conf import Positional

from experiments.arguments import parse
from experiments.errors import UsageError
from experiments.genotypes import find_genotype
from nas.inspect.draw import describe, draw

SUFFIXES = (".svg", ".png", ".pdf")


@dataclass(frozen=True)
class Arguments:
    """Draw a genotype, level against order as in the SpineNet paper."""

    genotype: Positional[str]
    """A JSON file, zoo:NAME, RUN (its best) or RUN#N."""
    out: Path | None = None
    """An .svg, .png or .pdf file; NAME.svg here if not given."""


def main(arguments: Sequence[str]) -> int:
    asked = parse(Arguments, "draw", arguments)
    named = find_genotype(asked.genotype)
    out = asked.out or Path(f"{named.label}.svg")
    if out.suffix not in SUFFIXES:
        raise UsageError(f"--out {out}: end it in one of {', '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no directory {out.parent}")
    draw(named.genotype, out, title=named.label)
    console = Console()
    console.print(describe(named.genotype), markup=False, highlight=False)
    console.print(f"drawn to {out}", markup=False)
    return 0
