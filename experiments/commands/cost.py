"""`nas cost GENOTYPE`: parameters, multiply-adds, memory and, where asked for, latency."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from tyro.conf import Positional

from experiments.arguments import parse, split_positional
from experiments.errors import UsageError
from experiments.genotypes import find_genotype, with_head
from experiments.timing import Timing, timing_table, timings
from nas.cost import cost
from nas.training.device import best_device
from search_spaces.genotype import Genotype, Scale


@dataclass(frozen=True)
class Arguments:
    """Count what a detector costs; nothing is built but to time it."""

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
    latency: bool = False
    """Also time it as it is, compiled and exported, with one image and with a batch: up to its losses or NMS."""
    batch: int = 8
    """Images of the batch that is timed."""
    device: str = "auto"
    """Where to time it: cpu, cuda, or cuda:N; auto takes a GPU where there is one."""
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
    if asked.batch < 1:
        raise UsageError(f"--batch {asked.batch}: a batch has at least 1 image")
    chosen = with_head(find_genotype(asked.genotype), asked.detector)
    counted = cost(
        chosen.genotype, asked.scale, image_size=asked.image_size, num_classes=asked.classes, frozen=chosen.frozen
    )
    timed = _timed(asked, chosen.genotype) if asked.latency else []
    if asked.json:
        print(json.dumps(asdict(counted) | ({"latency": [asdict(one) for one in timed]} if timed else {})))
        return 0
    console = Console()
    console.print(f"parameters    {counted.parameters:,} ({counted.trainable_parameters:,} trainable)")
    console.print(f"multiply-adds {counted.macs:,} at {counted.image_size} px")
    console.print(f"activations   {counted.activations:,} ({counted.activation_bytes / 2**20:,.1f} MiB)")
    console.print(f"peak memory   {counted.peak_memory / 2**20:,.1f} MiB for one image, estimated")
    if timed:
        console.print(timing_table(timed))
    for reason in dict.fromkeys(one.reason for one in timed if one.reason):
        console.print(reason, markup=False)
    return 0


def _timed(asked: Arguments, genotype: Genotype) -> list[Timing]:
    found = timings(
        genotype,
        asked.scale,
        image_size=asked.image_size,
        num_classes=asked.classes,
        device=best_device(asked.device),
        batches=sorted({1, asked.batch}),
    )
    return list(found)
