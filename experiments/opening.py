"""The data of a run: opened and decoded once, before anything is evaluated."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from experiments.config import RunConfig
from nas.data.detection_set import DetectionSet
from nas.data.open import open_data
from proxies.candidate import price_candidate
from proxies.config import ProxyConfig
from search_spaces.choose import first_choice
from search_spaces.registry import find_space

T = TypeVar("T")
Decode = Callable[[tuple[DetectionSet, DetectionSet], Callable[[int, int], None]], T]
"""Training and validation set, and who hears of (images done, images in all) -> what holds them decoded."""


def open_for(config: RunConfig, proxies: Iterable[ProxyConfig], decode: Decode[T], console: Console) -> T:
    """Open a run's data, and decode it once for all evaluations.

    Raises:
        DataError: the data cannot be used.
        GenotypeError: a proxy's scale does not suit the space.
    """
    data = open_data(config.data, config.digits)
    simplest = find_space(config.space).build(first_choice)
    for proxy in proxies:  # a scale the head cannot have shows here
        price_candidate(simplest, proxy, data[0].num_classes)
    for split in data:
        report_skipped(split, console)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("decoding images", total=None)
        return decode(data, lambda done, total: progress.update(task, completed=done, total=total))


def report_skipped(data: DetectionSet, console: Console) -> None:
    """Say what was left out of a set while reading it."""
    if data.skipped:
        console.print(f"{data.name}: " + ", ".join(f"{count} boxes {reason}" for reason, count in data.skipped.items()))
