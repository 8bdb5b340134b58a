"""Variables of a TensorFlow model in an `.npz` file, in order of creation."""

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
"""The entry that lists the names in order of creation; without it, the order in the file is used."""
NOTES = "config_json"
"""The entry with the model's settings as JSON, `norm_epsilon` among them."""


@dataclass(frozen=True, eq=False)
class Variable:
    """One variable: name in the file, role, and values; None if it is listed but absent."""

    name: str
    role: str
    values: NDArray[np.floating] | None


@dataclass(frozen=True, eq=False)
class Variables:
    """Contents of a file.

    Attributes:
        path: the file.
        ordered: the variables in order of creation.
        unlisted: names of variables missing from the file's own list.
        head: names of RetinaNet's head variables, which are not read.
        epsilon: epsilon of the norms in training, if the file states it.
    """

    path: Path
    ordered: tuple[Variable, ...]
    unlisted: tuple[str, ...]
    head: tuple[str, ...]
    epsilon: float | None


def read_variables(path: Path) -> Variables:
    """Read a file without executing code from it.

    Entries without a variable's name (inputs, outputs, settings) are ignored.

    Raises:
        CheckpointError: no such file, not an `.npz` archive of plain arrays, a variable that is not an array of finite
            floats, or illegal settings (`config_json`).
    """
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, NpzFile):
            raise CheckpointError(f"{path}: a single array; an .npz archive of named variables is needed")
        with archive:
            return _read(path, archive)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except CheckpointError:
        raise
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise CheckpointError(f"{path}: not an .npz archive of plain arrays: {error}") from None


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
        raise CheckpointError(f"{path}: {name!r} is not a kernel, bias, gamma, beta or moving statistic of floats")
    if values is not None and not np.isfinite(values).all():
        raise CheckpointError(f"{path}: {name!r} holds NaN or infinity: export it from a training that did not diverge")
    if values is not None and named[1] == "moving_variance" and (values < 0).any():
        raise CheckpointError(f"{path}: {name!r} is negative in places, illegal in a variance: export it again")
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
