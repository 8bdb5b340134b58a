"""The data of a run: opened and decoded once, before anything is evaluated."""

import json
from collections.abc import Callable, Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from experiments.config import RunConfig
from experiments.errors import UsageError
from experiments.run_directory import FINGERPRINT, RunDirectory
from nas.data.detection_set import DetectionSet, Diagnostic
from nas.data.diagnostics import Severity
from nas.data.fingerprint import changes, fingerprint
from nas.data.open import open_data
from proxies.candidate import price_candidate
from proxies.config import ProxyConfig
from search_spaces.choose import first_choice
from search_spaces.registry import find_space

T = TypeVar("T")
C = TypeVar("C", bound=RunConfig)
Decode = Callable[[tuple[DetectionSet, DetectionSet], Callable[[int, int], None]], T]
"""Training and validation set, and who hears of (images done, images in all) -> what holds them decoded."""


def open_for(run: RunDirectory[C], proxies: Iterable[ProxyConfig], decode: Decode[T], console: Console) -> T:
    """Open a run's data, and decode it once for all evaluations.

    Raises:
        DataError: the data cannot be used.
        GenotypeError: a proxy's scale does not suit the space.
        UsageError: the data is not what the run began with.
    """
    config = run.config()
    data = open_data(config.data, config.digits)
    simplest = find_space(config.space).build(first_choice)
    for proxy in proxies:  # a scale the head cannot have shows here
        price_candidate(simplest, proxy, data[0].num_classes)
    report(data, console)
    _require_same(run, data)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("decoding images", total=None)
        return decode(data, lambda done, total: progress.update(task, completed=done, total=total))


def _require_same(run: RunDirectory[C], data: tuple[DetectionSet, DetectionSet]) -> None:
    """Refuse to go on with data that changed: earlier trials would be compared with later ones on other data."""
    now = {part: fingerprint(split) for part, split in zip(("train", "val"), data, strict=True)}
    kept = run.path / FINGERPRINT
    before = json.loads(kept.read_bytes()) if kept.is_file() else now  # runs of version 0.1 have none
    for part, split in zip(("train", "val"), data, strict=True):
        if changed := changes(before[part], now[part]):
            raise UsageError(
                f"{run.path}: its trials were scored on other data: of {split.name}, {', '.join(changed)} differ; "
                "put the data back, or begin anew with another --out"
            )
    run.write(FINGERPRINT, json.dumps(now, indent=1))


def say_if_changed(run: RunDirectory[C], data: tuple[DetectionSet, DetectionSet], console: Console) -> None:
    """Say where data is not what a run's trials were scored on."""
    kept = run.path / FINGERPRINT
    before = json.loads(kept.read_bytes()) if kept.is_file() else {}
    for part, split in zip(("train", "val"), data, strict=True):
        if part in before and (changed := changes(before[part], fingerprint(split))):
            said = f"{split.name}: note: {', '.join(changed)} differ from what the trials of {run.path} were scored on"
            console.print(said, soft_wrap=True)


_STYLES = {Severity.error: "red", Severity.warning: "yellow"}


def report(sets: Iterable[DetectionSet], console: Console) -> None:
    """Say what was left out of sets, changed, or suspected, while they were read."""
    for data in sets:
        for one in data.diagnostics:
            print_diagnostic(one, console)


def print_diagnostic(one: Diagnostic, console: Console) -> None:
    """A line of a data set's report."""
    console.print(Text(str(one), _STYLES.get(Severity(one.severity), "")), soft_wrap=True)
