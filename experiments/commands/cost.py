"""`nas cost GENOTYPE`: parameters and multiply-adds."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

from rich.console import Console
from tyro.conf import Positional, arg

from experiments.arguments import parse, split_positional
from experiments.errors import UsageError
from experiments.genotypes import Named, find_genotype
from experiments.network import Network, parse_network
from nas.cost import Cost, cost
from search_spaces.genotype import Scale

CLASSES = 80
"""Of COCO, where neither the genotype nor a flag says how many."""


@dataclass(frozen=True)
class Arguments:
    """Count parameters and multiply-adds of a detector; nothing is allocated."""

    genotype: Positional[str]
    """A JSON file, zoo:NAME, RUN (its best) or RUN#N."""
    network: Annotated[Network, arg(name="")]
    image_size: int = 640
    """Side of the image, px."""
    json: bool = False
    """One JSON document on standard output and nothing else."""


def main(arguments: Sequence[str]) -> int:
    named = find_genotype(split_positional(arguments)[0] or parse(Arguments, "cost", arguments).genotype)

    def before(scale: Scale | None) -> Arguments:
        return Arguments(named.label, Network(scale or named.scale or Scale()), named.image_size or 640)

    asked = parse_network(Arguments, "cost", arguments, before)
    if asked.image_size < 1:
        raise UsageError(f"--image-size {asked.image_size}: an image has at least 1 px")
    counted = count(asked.network.of(named), asked.image_size)
    if asked.json:
        print(json.dumps(asdict(counted)))
        return 0
    console = Console()
    console.print(f"parameters   {counted.parameters:,} ({counted.trainable_parameters:,} trainable)")
    console.print(f"multiply-adds {counted.macs:,} at {counted.image_size} px")
    console.print(f"activations  {counted.activations:,}")
    return 0


def count(named: Named, image_size: int) -> Cost:
    """What it costs with its own scale and class count, or those it was asked for with.

    Raises:
        GenotypeError: the scale does not suit the genotype.
    """
    return cost(
        named.genotype,
        named.scale or Scale(),
        image_size=image_size,
        num_classes=named.num_classes or CLASSES,
        frozen=named.frozen,
    )
