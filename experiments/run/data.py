"""The data of a run: opened, checked and decoded once, before the first trial."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from experiments.errors import UsageError
from experiments.run.config import RunConfig
from experiments.run.directory import FINGERPRINT, RunDirectory
from nas.data.checks.images import ProgressCallback
from nas.data.detection_set import DetectionSet, Diagnostic
from nas.data.diagnostics import Severity
from nas.data.fingerprint import Fingerprints, changes, fingerprints
from nas.data.open import open_data
from proxies.candidate import candidate_cost
from proxies.config import Data, ProxyConfig
from search_spaces.choose import first_choice
from search_spaces.registry import find_space

T = TypeVar("T")
C = TypeVar("C", bound=RunConfig)
Decode = Callable[[Data, ProgressCallback], T]


def open_for(run: RunDirectory[C], proxies: Iterable[ProxyConfig], decode: Decode[T], console: Console) -> T:
    """Open and check a run's data, and decode it once for all trials.

    Raises:
        DataError: the data cannot be used.
        GenotypeError: a proxy's scale does not suit the space.
        UsageError: the data has changed since the run was started.
    """
    config = run.config
    data = open_data(config.data, config.digits)
    simplest = find_space(config.space).build(first_choice)
    for proxy in proxies:
        if proxy.decodes:  # finds a scale that does not suit the head
            candidate_cost(simplest, proxy, data[0].num_classes)
    report(data, console)
    _require_same(run, data)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("decoding images", total=None)
        return decode(data, lambda done, total: progress.update(task, completed=done, total=total))


def _require_same(run: RunDirectory[C], data: tuple[DetectionSet, DetectionSet]) -> None:
    """Refuse data that has changed since the run was started: trials scored on different data do not compare."""
    now = fingerprints(data)
    for name, changed in _changes(run, data, now):
        raise UsageError(
            f"{run.path}: its trials were scored on other data: of {name}, {changed} differ; "
            "restore the data, or start a new run with another --out"
        )
    run.write(FINGERPRINT, json.dumps(now, indent=1))


def say_if_changed(
    run: RunDirectory[C], data: tuple[DetectionSet, DetectionSet], now: Fingerprints, console: Console
) -> None:
    """Print how the data, of fingerprints `now`, differs from that on which a run's trials were scored."""
    for name, changed in _changes(run, data, now):
        said = f"{name}: note: {changed} differ from what the trials of {run.path} were scored on"
        console.print(said, soft_wrap=True)


def _changes(
    run: RunDirectory[C], data: tuple[DetectionSet, DetectionSet], now: Fingerprints
) -> Iterator[tuple[str, str]]:
    """Name of each set that changed since the run was started, and its changes in words."""
    kept = run.path / FINGERPRINT
    before = json.loads(kept.read_bytes()) if kept.is_file() else now  # runs of version 0.1 have no fingerprint
    for part, split in zip(("train", "val"), data, strict=True):
        if changed := changes(before[part], now[part]):
            yield split.name, ", ".join(changed)


_STYLES = {Severity.error: "red", Severity.warning: "yellow"}


def report(sets: Iterable[DetectionSet], console: Console) -> None:
    """Print the diagnostics of data sets: what was skipped, changed or suspected while reading."""
    for data in sets:
        for one in data.diagnostics:
            print_diagnostic(one, console)


def print_diagnostic(one: Diagnostic, console: Console) -> None:
    """Print a diagnostic of a data set on one line."""
    console.print(Text(str(one), _STYLES.get(Severity(one.severity), "")), soft_wrap=True)
