"""The directory of a run: its configuration, trials, winner and surroundings."""

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
"""What a ranking's settings were when they were measured, by name."""
FINGERPRINT = "data.json"
"""Fingerprints of the training and the validation set that trials are scored on."""
OBJECTIVES = "objectives.json"
"""What a user's own proxy said its objectives are: it knows them once it is built, others by their settings."""
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
    """`config.json` replays a search, `ranking.json` a ranking; `study.db` holds the trials, `best.json` a search's
    winning genotype, `environment.json` what it ran on, and `driver` its name among the drivers of its study.
    """

    path: Path
    kind: type[C]

    @staticmethod
    def create(config: C, name: str) -> "RunDirectory[C]":
        """Start a new run.

        Raises:
            UsageError: `config.out` holds something already.
        """
        path = config.out or Path("runs") / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(
                f"{path} is not empty: `{config.goes_on} {path}` goes on with a run; else give another --out"
            )
        config = config.anywhere()
        path.mkdir(parents=True, exist_ok=True)
        run = RunDirectory(path, type(config))
        run.write(ENVIRONMENT, json.dumps(_environment(config.seed), indent=2))
        run.write(config.file, config.model_dump_json(indent=2))
        return run

    @staticmethod
    def open(path: Path, kind: type[C]) -> "RunDirectory[C]":
        """An existing run.

        Raises:
            UsageError: `path` holds no run.
        """
        if not (path / kind.file).is_file():
            raise UsageError(f"{path} is no run of this kind: it has no {kind.file}")
        return RunDirectory(path, kind)

    def config(self) -> C:
        """The configuration the run was started with.

        Raises:
            UsageError: the file has been damaged or is of another release; the message names the fields.
        """
        try:
            return self.kind.model_validate_json((self.path / self.kind.file).read_bytes())
        except ValidationError as error:
            raise UsageError(f"{self.path / self.kind.file}: {faults(error)}") from None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Have the run to oneself: two drivers would evaluate each other's trials.

        Raises:
            UsageError: another process carries it on.
        """
        with (self.path / LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"{self.path} is carried on by another process: wait for it, or stop it") from None
            yield

    def discard(self) -> None:
        """Remove what was written of a run that could not begin."""
        for name in (self.kind.file, ENVIRONMENT, FINGERPRINT, OBJECTIVES, DRIVER):
            (self.path / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def store(self) -> Store:
        """The run's own trials, or those of the team it is part of.

        Raises:
            StoreError: it cannot be opened, or has been there before and is gone.
        """
        if team := self.config().team:
            return Store(*team, report_every=1.0)
        file = self.path / STUDY
        begun = any((self.path / name).exists() for name in (DRIVER, MEASURED))
        if begun and not (file.is_file() and file.stat().st_size):
            raise StoreError(
                f"{file} is gone, or empty: put a copy of it back, with its {STUDY}-wal if there is one, or begin anew "
                "with another --out"
            )
        return Store(str(file), report_every=1.0)

    def driver(self) -> str:
        """The name under which the run takes part in a study, the same ever after."""
        if not (self.path / DRIVER).exists():
            self.write(DRIVER, f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}")
        return (self.path / DRIVER).read_text().strip()

    def write(self, name: str, text: str) -> None:
        """Write a file whole or not at all."""
        part = self.path / f"{name}.part"
        part.write_text(text + "\n")
        part.replace(self.path / name)

    def write_best(self, trial: Trial) -> None:
        """Keep the winner's genotype, indented for reading."""
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
