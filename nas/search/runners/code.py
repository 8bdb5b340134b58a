"""The code that a cluster's workers need beside what is installed there."""

import sys
import sysconfig
from pathlib import Path
from types import ModuleType

OURS = ("search_spaces", "nas", "proxies", "experiments")
"""Sent even where they are installed, so that all nodes run this machine's version."""
_INSTALLED = {"site-packages", "dist-packages"}


def imported_code() -> list[str]:
    """Paths of the packages and modules to send: ours, and all else that was imported here and is not installed.

    So a user's own module travels with whatever it imports from beside it; what is installed here has to be
    installed on every node.
    """
    top = {name: module for name, module in sys.modules.items() if "." not in name and not name.startswith("__")}
    places = {name: _place(module) for name, module in top.items()}
    return sorted(str(path) for name, path in places.items() if path and (name in OURS or not _is_installed(path)))


def _place(module: ModuleType) -> Path | None:
    """A package's folder, or a module's file; None for what is built in, compiled or scattered over folders."""
    if folders := list(getattr(module, "__path__", ())):
        return Path(folders[0]) if len(folders) == 1 else None
    file = getattr(module, "__file__", None)
    return Path(file) if file and file.endswith(".py") else None


def _is_installed(path: Path) -> bool:
    return bool(_INSTALLED & set(path.parts)) or path.is_relative_to(sysconfig.get_path("stdlib"))
