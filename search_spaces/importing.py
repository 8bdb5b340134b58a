"""Users' own code by import path, `my_module:MySpace`; only the named module is imported."""

import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import Any

from search_spaces.errors import FusionNasError
from search_spaces.naming import unknown


class ImportPathError(FusionNasError):
    """An import path does not lead to a usable object; the message names the cause and the fix."""


def is_import_path(name: str) -> bool:
    """Whether a name is an import path, `module:name`, rather than a built-in name."""
    return ":" in name


def imported(path: str) -> Any:
    """The object that `my_module:MySpace` names.

    The current directory is searched last, so that none of its files shadows an installed module.

    Raises:
        ImportPathError: there is no such module, it fails on import, or it lacks the name.
    """
    module, _, names = path.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *names.split("."))):
        raise ImportPathError(f"{path!r} is not an import path: write my_module:MySpace")
    _import(path, module)
    try:
        return pkgutil.resolve_name(path)
    except AttributeError as error:
        place = getattr(sys.modules[module], "__file__", module)
        raise ImportPathError(
            f"{path}: {unknown('name', error.name or names, _public(error.obj))} (looked in {place})"
        ) from None


def build_own(path: str, *arguments: Any, call: str, needs: Sequence[str]) -> Any:
    """Call the factory that an import path names, and check the attributes of the result.

    Args:
        call: an example of the call, for the error message.
        needs: attributes that the result must have.

    Raises:
        ImportPathError: the factory has another signature or fails, or the result lacks an attribute.
    """
    factory = imported(path)
    try:
        inspect.signature(factory).bind(*arguments)
    except TypeError as error:
        raise ImportPathError(f"{path}: the call {call} does not match its signature: {error}") from None
    try:
        made = factory(*arguments)
    except Exception as error:
        raise ImportPathError(f"{path} fails when called: {type(error).__name__}: {error}") from error
    require(path, made, needs)
    return made


def require(path: str, found: object, needs: Sequence[str]) -> None:
    """Check that an object has these attributes.

    Raises:
        ImportPathError: one is missing or None; the message names it.
    """
    if missing := [name for name in needs if getattr(found, name, None) is None]:
        kind = type(found).__name__
        raise ImportPathError(f"{path} gives an object of type {kind}, which has no {' and no '.join(missing)}")


def _import(path: str, module: str) -> None:
    here = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    if here not in sys.path:
        sys.path.append(here)
    importlib.invalidate_caches()  # the file may have been written after this process started
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}."):
            reason = f"no module {error.name!r} in {here} or on the Python path: change directory, or set PYTHONPATH"
        else:
            reason = f"module {module} fails on import: {type(error).__name__}: {error}"
        raise ImportPathError(f"{path}: {reason}") from error


def _public(found: object) -> list[str]:
    return [name for name in dir(found) if not name.startswith("_")]
