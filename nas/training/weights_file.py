"""Weight files: state dicts are read; for other files the error says how to save the state dict that they hold."""

import importlib
import pickletools
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from nas.training.checkpoint import FORMAT
from nas.training.errors import WeightsError

WRAPPERS = ("module", "_orig_mod", "model", "backbone")
"""Prefixes of names added by DataParallel, torch.compile, trainers and detectors."""
KEYS = (
    "model",
    "state_dict",
    "model_state_dict",
    "model_state",
    "ema",
    "model_ema",
    "state_dict_ema",
    "net",
    "weights",
)
"""Keys under which a training's checkpoint may hold a network, the likeliest first."""
_DEEPEST = 3

Keys = tuple[str, ...]


def read_state(path: Path) -> dict[Any, Any]:
    """Read a dict of tensors by name, or a checkpoint's raw content, without executing code from the file.

    Raises:
        WeightsError: no such file, or neither format; the message gives the line that saves the file's state dict.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    raw = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if isinstance(raw, dict) and raw.get("format") == FORMAT:
        return raw
    _require_state(path, raw)
    if prefix := _wrapper(raw):
        raise WeightsError(
            f"{path}: all names begin with {prefix!r}, which a backbone's names lack: save them without it, "
            f"{saving(str(path), (), prefix)}"
        )
    return dict(raw)


def _require_state(path: Path, raw: object) -> None:
    if _is_state(raw):
        return
    what = f"{path}: not a state dict: expected names with tensors, as torchvision saves them"
    if found := sorted(_states(raw), key=lambda keys: [KEYS.index(k) if k in KEYS else len(KEYS) for k in keys]):
        inner = raw
        for key in found[0]:
            inner = inner[key]  # type: ignore[index]  # found there
        where = " and ".join("".join(f"[{key!r}]" for key in keys) for keys in found)
        raise WeightsError(f"{what}; it holds one under {where}: {saving(str(path), found[0], _wrapper(inner))}")
    if isinstance(raw, dict):
        strange = next((repr(k) for k, v in raw.items() if not (isinstance(k, str) and isinstance(v, Tensor))), None)
        raise WeightsError(f"{what}; " + (f"the entry {strange} is none" if strange else "there are none in it"))
    raise WeightsError(f"{what}; it holds a {type(raw).__name__}")


def _is_state(value: object) -> bool:
    if not isinstance(value, dict) or not value:
        return False
    return all(isinstance(name, str) and isinstance(values, Tensor) for name, values in value.items())


def _states(value: object, keys: Keys = ()) -> Iterator[Keys]:
    """Key paths of the state dicts in nested dicts, without those of optimisers."""
    if _is_state(value):
        yield keys
    elif isinstance(value, dict) and len(keys) < _DEEPEST:
        for key, inner in value.items():
            if isinstance(key, str) and "optim" not in key:
                yield from _states(inner, (*keys, key))


def _wrapper(state: Collection[str] | Any) -> str:
    """The wrapper prefix that all names share; empty if none."""
    prefix, allowed = "", set(WRAPPERS)
    while True:
        first = {name.removeprefix(prefix).partition(".")[0] for name in state}
        part = next(iter(first))
        if len(first) > 1 or part not in allowed or any(name == prefix + part for name in state):
            return prefix
        prefix += f"{part}."
        allowed = {*WRAPPERS, "body"} if part == "backbone" else set(WRAPPERS)


def common_prefix(names: Collection[str], wanted: Collection[str]) -> str:
    """The prefix under which all wanted names occur; empty if none."""
    ends = set(wanted)
    splits = (name.split(".") for name in names)
    found = Counter(
        ".".join(parts[:i]) for parts in splits for i in range(1, len(parts)) if ".".join(parts[i:]) in ends
    )
    most, count = max(found.items(), key=lambda item: item[1], default=("", 0))
    return f"{most}." if most and count == len(ends) else ""


def saving(path: str, keys: Keys = (), prefix: str = "") -> str:
    """The line of Python that saves the state dict under a file's keys, with a prefix removed from its names."""
    safe = path.endswith(".safetensors")
    loaded = f"safetensors.torch.load_file({path!r})" if safe else f"torch.load({path!r}, 'cpu', weights_only=True)"
    state = loaded + "".join(f"[{key!r}]" for key in keys)
    if prefix:
        state = f"{{k.removeprefix({prefix!r}): v for k, v in {state}.items() if k.startswith({prefix!r})}}"
    target = "safetensors.torch.save_file({}, 'weights.safetensors')" if safe else "torch.save({}, 'weights.pth')"
    return target.format(state)


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on foreign files torch raises many types
        raise WeightsError(f"{path}: not a state dict: {_reason(path, error)}") from None


def _reason(path: Path, error: Exception) -> str:
    """Why torch does not read a file, and code that does."""
    loaded, named = f"torch.load({str(path)!r}, 'cpu', weights_only=False)", _strings(path)
    if "TorchScript" in str(error):
        return f"a TorchScript archive: torch.save(torch.jit.load({str(path)!r}, 'cpu').state_dict(), 'weights.pth')"
    if not (isinstance(error, UnpicklingError) and "Unsupported" in str(error) and named):
        return "torch cannot read it: fetch it again, or save it with torch.save(model.state_dict(), 'weights.pth')"
    key = next((key for key in KEYS if key in named), None)
    entry = "" if _IS_OBJECT in named else f"[{key!r}]" if key else "[KEY]"
    module = ".state_dict()" if any(text.startswith("torch.nn.modules.") for text in named) else ""
    return (
        "it holds more than tensors, which torch would have to execute; if you trust it: "
        f"torch.save({loaded}{entry}{module}, 'weights.pth')"
    )


_IS_OBJECT = "\0object"
"""Marker among the strings of a pickle of an object other than a dict, such as a whole model."""


def _strings(path: Path) -> set[str]:
    """The strings in the pickle of a torch archive, without executing it; empty for other files."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            steps = [(step.name, given) for step, given, _ in pickletools.genops(archive.read(name))]
    except (OSError, ValueError, StopIteration, zipfile.BadZipFile):
        return set()
    first = next((step, given) for step, given in steps if step != "PROTO")
    is_object = first[0] == "GLOBAL" and first[1] != "collections OrderedDict"
    return {given for _, given in steps if isinstance(given, str)} | ({_IS_OBJECT} if is_object else set())


def _read_safetensors(path: Path) -> Mapping[str, Tensor]:
    try:
        errors, reader = importlib.import_module("safetensors"), importlib.import_module("safetensors.torch")
    except ImportError:
        raise WeightsError(f"{path}: safetensors is not installed: pip install 'fusion-nas[timm]'") from None
    try:
        state: Mapping[str, Tensor] = reader.load_file(path)
    except (OSError, errors.SafetensorError) as error:
        raise WeightsError(f"{path}: not a state dict: {error}") from None
    return state
