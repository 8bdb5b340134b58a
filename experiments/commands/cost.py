"""`nas cost GENOTYPE`: parameters, multiply-adds, memory and, with `--latency`, latency."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from experiments.commands.genotype_argument import Named, find_genotype
from experiments.commands.network_flags import Network, parse_network
from experiments.errors import UsageError
from nas.cost import Cost, cost
from nas.inspect.console import open_console

if TYPE_CHECKING:
    from nas.inspect.latency import Timing

CLASSES = 80
"""Default class count, that of COCO."""


@dataclass(frozen=True)
class Arguments:
    """Count parameters, multiply-adds and memory of a detector by formula; only --latency builds it."""

    genotype: Positional[str]
    """Topology: a JSON file, zoo:NAME, RUN (best trial) or RUN#N (trial N)."""
    network: Annotated[Network, arg(name="")]
    image_size: int | None = None
    """Side of the square input image, px; if omitted, as published or searched, or 640 for a JSON file."""
    latency: bool = False
    """Also time the network in eager, compiled and exported mode, for one image and for a batch, without NMS."""
    batch: int = 8
    """Batch size for --latency."""
    device: str = "auto"
    """Device for --latency: cpu, cuda, cuda:N, or auto (a GPU if available)."""
    json: bool = False
    """Print one JSON document instead of text."""


def main(arguments: Sequence[str]) -> int:
    asked = parse_network(Arguments, "cost", arguments)
    named = asked.network.of(find_genotype(asked.genotype))
    image_size = named.image_size if asked.image_size is None else asked.image_size
    for flag, value in (("--image-size", image_size), ("--batch", asked.batch)):
        if value < 1:
            raise UsageError(f"{flag} {value}: give at least 1")
    counted = count(named, image_size)
    timed = _timed(named, image_size, asked) if asked.latency else []
    if asked.json:
        print(json.dumps(asdict(counted) | ({"latency": [asdict(one) for one in timed]} if timed else {})))
        return 0
    console = open_console()
    console.print(f"parameters    {counted.parameters:,} ({counted.trainable_parameters:,} trainable)")
    console.print(f"multiply-adds {counted.macs:,} at {counted.image_size} px")
    console.print(f"activations   {counted.activations:,} ({counted.activation_bytes / 2**20:,.1f} MiB)")
    console.print(f"peak memory   {counted.peak_memory / 2**20:,.1f} MiB for one image, estimated")
    if timed:
        from nas.inspect.latency import timing_table

        console.print(timing_table(timed))
    for reason in dict.fromkeys(one.reason for one in timed if one.reason):
        console.print(reason)
    return 0


def count(named: Named, image_size: int) -> Cost:
    """Cost at the genotype's scale and class count, by default COCO's classes.

    Raises:
        GenotypeError: the genotype cannot be built at the scale.
    """
    return cost(
        named.genotype,
        named.scale,
        image_size=image_size,
        num_classes=named.num_classes or CLASSES,
        frozen=named.frozen,
    )


def _timed(named: Named, image_size: int, asked: Arguments) -> "list[Timing]":
    from nas.inspect.latency import timings
    from nas.training.device import best_device

    found = timings(
        named.genotype,
        named.scale,
        image_size=image_size,
        num_classes=named.num_classes or CLASSES,
        device=best_device(asked.device),
        batches=sorted({1, asked.batch}),
    )
    return list(found)
