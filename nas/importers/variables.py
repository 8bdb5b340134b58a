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

from nas.training.checkpoint import CheckpointError

_VARIABLE = re.compile(r"(?:.*/)?(kernel|bias|gamma|beta|moving_mean|moving_variance)(?::0)?")
ORDER = "var_order"
"""The entry that lists the names in order of creation; without it, the order of the file counts."""


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
        epsilon: of the norms they were trained with, where the file says so (`config_json`).
    """

    path: Path
    ordered: tuple[Variable, ...]
    unlisted: tuple[str, ...]
    epsilon: float | None


def read_variables(path: Path) -> Variables:
    """Read a file without executing anything in it.

    Entries that are not named like a variable (inputs, outputs, notes) are left alone.

    Raises:
        CheckpointError: no such file, no `.npz` archive of plain arrays, or a variable that is no array of floats.
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
    order = [str(name) for name in archive[ORDER]] if ORDER in archive.files else known
    variables = tuple(_variable(path, archive, name) for name in order)
    return Variables(path, variables, tuple(n for n in known if n not in set(order)), _epsilon(archive))


def _variable(path: Path, archive: NpzFile, name: str) -> Variable:
    named = _VARIABLE.fullmatch(name)
    values = archive[name] if name in archive.files else None
    if named is None or (values is not None and not np.issubdtype(values.dtype, np.floating)):
        raise CheckpointError(f"{path}: {name!r} is no kernel, bias, gamma, beta or moving statistic of floats")
    return Variable(name, named[1], values)


def _epsilon(archive: NpzFile) -> float | None:
    if "config_json" not in archive.files:
        return None
    config = json.loads(str(archive["config_json"]))
    found = config.get("norm_epsilon") if isinstance(config, dict) else None
    return float(found) if isinstance(found, (int, float)) else None
