"""What users name by import path, `my_module:MySpace`: of their code, what is named is imported and nothing else."""

import importlib
import inspect
import os
import sys
from collections.abc import Sequence
from typing import Any

from search_spaces.errors import FusionNasError
from search_spaces.naming import unknown


class ImportPathError(FusionNasError):
    """An import path leads to nothing that serves; the message says why, and what would."""


def is_import_path(name: str) -> bool:
    """Whether a name is `module:name`, and so none of our own."""
    return ":" in name


def imported(path: str) -> Any:
    """What `my_module:MySpace` names.

    The current directory is searched as well: last, so that no file in it hides what is installed.

    Raises:
        ImportPathError: there is no such module or nothing of that name in it, or it fails as it is imported.
    """
    module, _, names = path.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *names.split("."))):
        raise ImportPathError(f"{path!r} is no import path: write my_module:MySpace")
    found = _module(path, module)
    for name in names.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            place = getattr(sys.modules[module], "__file__", module)
            raise ImportPathError(f"{path}: {unknown('name', name, _public(found))} (looked in {place})") from None
    return found


def build_own(path: str, *arguments: Any, call: str, needs: Sequence[str]) -> Any:
    """Call what an import path names, and see that what it makes has what is needed of it.

    Args:
        call: an example of how it is called, for whoever wrote it otherwise.
        needs: attributes that the product must have.

    Raises:
        ImportPathError: it cannot be called so, fails, or what it makes lacks something.
    """
    factory = imported(path)
    try:
        inspect.signature(factory).bind(*arguments)
    except TypeError as error:
        raise ImportPathError(f"{path}: it is called as {call}, which it does not allow: {error}") from None
    try:
        made = factory(*arguments)
    except Exception as error:
        raise ImportPathError(f"{path} fails as it is called: {type(error).__name__}: {error}") from error
    require(path, made, needs)
    return made


def require(path: str, thing: object, needs: Sequence[str]) -> None:
    """Refuse a thing that lacks one of these attributes.

    Raises:
        ImportPathError: with what is missing.
    """
    if missing := [name for name in needs if getattr(thing, name, None) is None]:
        kind = type(thing).__name__
        raise ImportPathError(f"{path} gives an object of type {kind}, which has no {' and no '.join(missing)}")


def _module(path: str, module: str) -> Any:
    here = os.getcwd()  # noqa: PTH109 - as it stands in sys.path
    if here not in sys.path:
        sys.path.append(here)
    importlib.invalidate_caches()  # the file may be younger than this process
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}."):
            reason = f"no module {error.name!r} in {here} or on the Python path: start where it lies, or set PYTHONPATH"
        else:
            reason = f"module {module} fails as it is imported: {type(error).__name__}: {error}"
        raise ImportPathError(f"{path}: {reason}") from error


def _public(thing: object) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]
