"""`nas cost GENOTYPE`: parameters and multiply-adds."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from tyro.conf import Positional

from experiments.arguments import parse, split_positional
from experiments.errors import UsageError
from experiments.genotypes import find_genotype, with_head
from nas.cost import cost
from search_spaces.genotype import Scale


@dataclass(frozen=True)
class Arguments:
    """Count parameters and multiply-adds of a detector; nothing is allocated."""

    genotype: Positional[str]
    """A JSON file, zoo:NAME, RUN (its best) or RUN#N."""
    scale: Scale
    """How big it is built; of a zoo entry the published scale, of a run its proxy's."""
    image_size: int = 640
    """Side of the image, px."""
    classes: int = 80
    """Outputs of the classifier; of a zoo entry as published."""
    detector: str | None = None
    """Another head than the genotype's own, e.g. faster_rcnn."""
    json: bool = False
    """One JSON document on standard output and nothing else."""


def main(arguments: Sequence[str]) -> int:
    name, _ = split_positional(arguments)
    named = find_genotype(name) if name else None
    default = Arguments(
        genotype=name or "",
        scale=(named and named.scale) or Scale(),
        image_size=(named and named.image_size) or 640,
        classes=(named and named.num_classes) or 80,
    )
    asked = parse(Arguments, "cost", arguments, default)
    if asked.image_size < 1 or asked.classes < 1:
        raise UsageError(f"--image-size {asked.image_size} --classes {asked.classes}: both must be at least 1")
    chosen = with_head(find_genotype(asked.genotype), asked.detector)
    counted = cost(
        chosen.genotype, asked.scale, image_size=asked.image_size, num_classes=asked.classes, frozen=chosen.frozen
    )
    if asked.json:
        print(json.dumps(asdict(counted)))
        return 0
    console = Console()
    console.print(f"parameters   {counted.parameters:,} ({counted.trainable_parameters:,} trainable)")
    console.print(f"multiply-adds {counted.macs:,} at {counted.image_size} px")
    console.print(f"activations  {counted.activations:,}")
    return 0
