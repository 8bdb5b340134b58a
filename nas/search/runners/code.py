"""The code that a cluster's workers need in addition to their installed packages."""

import sys
import sysconfig
from pathlib import Path
from types import ModuleType

OURS = ("search_spaces", "nas", "proxies", "experiments")
"""Packages that are sent even if they are installed, so that all nodes run this machine's version."""
_INSTALLED = {"site-packages", "dist-packages"}


def imported_code() -> list[str]:
    """Paths of the packages and modules to send: `OURS`, and every imported module that is not installed.

    A user's own module is sent with its neighbours that it imports; packages installed here have to be installed on
    every node.
    """
    top = {name: module for name, module in sys.modules.items() if "." not in name and not name.startswith("__")}
    places = {name: _place(module) for name, module in top.items()}
    return sorted(str(path) for name, path in places.items() if path and (name in OURS or not _is_installed(path)))


def _place(module: ModuleType) -> Path | None:
    """A package's folder or a module's file; None for built-in, compiled and multi-folder modules."""
    if folders := list(getattr(module, "__path__", ())):
        return Path(folders[0]) if len(folders) == 1 else None
    file = getattr(module, "__file__", None)
    return Path(file) if file and file.endswith(".py") else None


def _is_installed(path: Path) -> bool:
    return bool(_INSTALLED & set(path.parts)) or path.is_relative_to(sysconfig.get_path("stdlib"))
