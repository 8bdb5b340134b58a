"""The directory of a run: its configuration, trials, winner and environment."""

import fcntl
import importlib.metadata
import json
import os
import platform
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from experiments.errors import UsageError, faults
from experiments.run.config import RunConfig
from nas.search.store import Store, StoreError
from nas.search.types import Trial
from nas.training.device import gpu_names

STUDY, BEST, ENVIRONMENT = "study.db", "best.json", "environment.json"
LOCK, DRIVER = "lock", "driver"
MEASURED = "measured.json"
"""File of a ranking's settings as they were measured, by name."""
FINGERPRINT = "data.json"
"""File of the fingerprints of the training and the validation set."""
OBJECTIVES = "objectives.json"
"""File of the objectives of a user's own proxy, which are known only once it is built."""
_RECORDED = (
    "fusion-nas",
    "torch",
    "torchvision",
    "ray",
    "optuna",
    "sqlalchemy",
    "numpy",
    "pycocotools",
    "scikit-learn",
)


C = TypeVar("C", bound=RunConfig)


@dataclass(frozen=True)
class RunDirectory(Generic[C]):
    """`config.json` of a search or `ranking.json` of a ranking holds the configuration, `study.db` the trials,
    `best.json` the winning genotype, `environment.json` software and hardware, `driver` the name in a shared study.
    """

    path: Path
    kind: type[C]

    @staticmethod
    def create(config: C, name: str) -> "RunDirectory[C]":
        """Start a new run.

        Raises:
            UsageError: `config.out` is not empty.
        """
        path = config.out or Path("runs") / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(
                f"{path} is not empty: `{config.resume_command} {path}` resumes a run; else give another --out"
            )
        config = config.anywhere()
        path.mkdir(parents=True, exist_ok=True)
        run = RunDirectory(path, type(config))
        run.write(ENVIRONMENT, json.dumps(_environment(config.seed), indent=2))
        run.write(config.file, config.model_dump_json(indent=2))
        return run

    @staticmethod
    def open(path: Path, kind: type[C]) -> "RunDirectory[C]":
        """Open an existing run.

        Raises:
            UsageError: `path` does not hold a run of this kind.
        """
        if not path.is_dir():
            what = f"is a file: give its directory, {path.parent}" if path.exists() else "does not exist"
            raise UsageError(f"{path} {what}")
        if not (path / kind.file).is_file():
            raise UsageError(f"{path} does not hold a {kind.what}: it has no {kind.file}")
        return RunDirectory(path, kind)

    @cached_property
    def config(self) -> C:
        """The configuration the run was started with, read once.

        Raises:
            UsageError: the file is damaged or from another release; the message names the fields.
        """
        try:
            return self.kind.model_validate_json((self.path / self.kind.file).read_bytes())
        except ValidationError as error:
            raise UsageError(f"{self.path / self.kind.file}: {faults(error)}") from None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run exclusively: two drivers in one directory would evaluate each other's trials.

        Raises:
            UsageError: another process holds the lock.
        """
        with (self.path / LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"{self.path} is in use by another process: wait for it, or stop it") from None
            yield

    def discard(self) -> None:
        """Remove the files of a run that could not start."""
        for name in (self.kind.file, ENVIRONMENT, FINGERPRINT, OBJECTIVES, DRIVER):
            (self.path / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def store(self) -> Store:
        """The shared store if one is configured, else the run's own.

        Raises:
            StoreError: the store cannot be opened, or its file has been removed since the run started.
        """
        if team := self.config.team:
            return Store(*team, report_every=1.0)
        file = self.path / STUDY
        started = any((self.path / name).exists() for name in (DRIVER, MEASURED))
        if started and not (file.is_file() and file.stat().st_size):
            raise StoreError(
                f"{file} is missing or empty: restore a copy of it, with its {STUDY}-wal if there is one, or start "
                "a new run with another --out"
            )
        return Store(str(file), report_every=1.0)

    def driver(self) -> str:
        """The driver's name in a study; created once, then kept."""
        if not (self.path / DRIVER).exists():
            self.write(DRIVER, f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}")
        return (self.path / DRIVER).read_text().strip()

    def write(self, name: str, text: str) -> None:
        """Write a file atomically."""
        part = self.path / f"{name}.part"
        part.write_text(text + "\n")
        part.replace(self.path / name)

    def write_best(self, trial: Trial) -> None:
        """Write the winner's genotype as indented JSON."""
        self.write(BEST, json.dumps(json.loads(trial.genotype), indent=2))


def _environment(seed: int) -> dict[str, object]:
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _RECORDED},
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "gpus": gpu_names(),
    }
