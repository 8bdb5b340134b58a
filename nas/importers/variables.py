"""Variables of a TensorFlow model in an `.npz` file, in the order they were created."""

import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from nas.training.errors import CheckpointError
from search_spaces.ops import short

_HEAD = re.compile(r"(?:.*/)?retina_?net_head(?:_\d+)?/.*")
_VARIABLE = re.compile(r"(?:.*/)?(kernel|bias|gamma|beta|moving_mean|moving_variance)(?::0)?")
ORDER = "var_order"
"""The entry that lists the names in order of creation; without it, the order of the file counts."""
NOTES = "config_json"
"""The entry with notes, `norm_epsilon` among them, as JSON."""


@dataclass(frozen=True, eq=False)
class Variable:
    """One variable: its name in the file, what it is, and its values, None where the file lists but lacks it."""

    name: str
    role: str
    values: NDArray[np.floating] | None


@dataclass(frozen=True, eq=False)
class Variables:
    """What a file holds.

    Attributes:
        path: the file.
        ordered: the variables in order of creation.
        unlisted: names of variables that the file's own list leaves out.
        head: names of variables of RetinaNet's head, which are not read.
        epsilon: of the norms they were trained with, where the file says so.
    """

    path: Path
    ordered: tuple[Variable, ...]
    unlisted: tuple[str, ...]
    head: tuple[str, ...]
    epsilon: float | None


def read_variables(path: Path) -> Variables:
    """Read a file without executing anything in it.

    Entries that are not named like a variable (inputs, outputs, notes) are left alone.

    Raises:
        CheckpointError: no such file, no `.npz` archive of plain arrays, a variable that is no array of finite floats,
            or notes (`config_json`) that cannot be read.
    """
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, NpzFile):
            raise CheckpointError(f"{path}: one array, where an .npz archive of named variables is needed")
        with archive:
            return _read(path, archive)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except CheckpointError:
        raise
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise CheckpointError(f"{path}: no .npz archive of plain arrays: {error}") from None


def _read(path: Path, archive: NpzFile) -> Variables:
    known = [name for name in archive.files if _VARIABLE.fullmatch(name)]
    listed = [str(name) for name in archive[ORDER]] if ORDER in archive.files else known
    order = [name for name in listed if not _HEAD.fullmatch(name)]
    return Variables(
        path,
        ordered=tuple(_variable(path, archive, name) for name in order),
        unlisted=tuple(name for name in known if name not in {*listed} and not _HEAD.fullmatch(name)),
        head=tuple(name for name in known if _HEAD.fullmatch(name)),
        epsilon=_epsilon(path, archive),
    )


def _variable(path: Path, archive: NpzFile, name: str) -> Variable:
    named = _VARIABLE.fullmatch(name)
    values = archive[name] if name in archive.files else None
    if named is None or (values is not None and not np.issubdtype(values.dtype, np.floating)):
        raise CheckpointError(f"{path}: {name!r} is no kernel, bias, gamma, beta or moving statistic of floats")
    if values is not None and not np.isfinite(values).all():
        raise CheckpointError(f"{path}: {name!r} holds NaN or infinity: export it from a training that did not diverge")
    if values is not None and named[1] == "moving_variance" and (values < 0).any():
        raise CheckpointError(f"{path}: {name!r} is negative in places, as no variance is: export it anew")
    return Variable(name, named[1], values)


def _epsilon(path: Path, archive: NpzFile) -> float | None:
    if NOTES not in archive.files:
        return None
    notes = str(archive[NOTES])
    try:
        config = json.loads(notes)
    except ValueError as error:
        raise CheckpointError(f"{path}: {NOTES!r} is not JSON: {error}; correct it, or leave it out") from None
    found = config.get("norm_epsilon") if isinstance(config, dict) else None
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 < found < 1:
        raise CheckpointError(f"{path}: {NOTES!r} says norm_epsilon is {short(found)}: give a number between 0 and 1")
    return float(found)
