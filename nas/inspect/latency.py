"""A detector's latency in every mode, at several batch sizes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from nas.latency import MODES, LatencyError, Mode, latency
from search_spaces.genotype import Genotype, Scale


@dataclass(frozen=True)
class Timing:
    """Milliseconds of a forward pass on a batch of images, or the reason why it could not be timed."""

    mode: Mode
    batch: int
    ms: float | None
    reason: str = ""


def timings(
    genotype: Genotype, scale: Scale, *, image_size: int, num_classes: int, device: str, batches: Sequence[int]
) -> Iterator[Timing]:
    """Time every mode at every batch size; a mode that fails at one batch size is not tried at the next.

    Raises:
        GenotypeError: the scale does not suit the genotype.
    """
    for mode in MODES:
        reason = ""
        for batch in batches:
            ms = None
            try:
                if not reason:
                    ms = latency(
                        genotype,
                        scale,
                        image_size=image_size,
                        num_classes=num_classes,
                        device=device,
                        batch=batch,
                        mode=mode,
                    )
            except LatencyError as error:
                reason = str(error)
            yield Timing(mode, batch, ms, reason)


def timing_table(found: Sequence[Timing]) -> Table:
    """Latencies: a row per mode, a column per batch size."""
    batches = list(dict.fromkeys(one.batch for one in found))
    table = Table("latency, ms", *(f"batch {batch}" for batch in batches), box=None, pad_edge=False)
    for mode in MODES:
        row = [one for one in found if one.mode == mode]
        table.add_row(mode, *("-" if one.ms is None else f"{one.ms:.2f}" for one in row))
    return table
