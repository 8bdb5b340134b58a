"""Paths of a set's images: those that annotations state, resolved to files on disk."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote

_MOST_SEARCHED = 200_000
"""Upper bound of files visited in the search for missing images."""


class Listing:
    """Files below a folder; each directory is listed once.

    Attributes:
        folder: folder of the images.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._directories: dict[str, dict[str, int]] = {}

    def size(self, name: str) -> int | None:
        """Bytes of the file at a path within the folder; None if there is no file."""
        parent, _, file = name.rpartition("/")
        if parent not in self._directories:
            self._directories[parent] = _list(self.folder / parent)
        return self._directories[parent].get(file)

    def resolve(self, name: str) -> str | None:
        """The path of an image that annotations call `name`: as it is, with slashes for backslashes, from `folder` on
        where it begins with the folder's own name, or as it leads back into the folder; None where no such file exists.
        """
        if is_inside(name) and self.size(name) is not None:
            return name
        slashed = name.replace("\\", "/")
        below = slashed.removeprefix("./").removeprefix(f"{self.folder.name}/")
        spellings = [path for path in (slashed, below) if is_inside(path)]
        return next(
            (path for path in (*spellings, self._within(slashed)) if path and self.size(path) is not None), None
        )

    def _within(self, name: str) -> str:
        """A path relative to the folder that may lead out of it and back; empty where it ends outside."""
        folder = str(self.folder.absolute())
        full = os.path.normpath(Path(folder, name))
        return full[len(folder) + 1 :] if full.startswith(folder + os.sep) and "\0" not in name else ""

    def near(self, name: str) -> str | None:
        """A file that another spelling of `name` leads to: letter case, spaces, accents, quoting, or the ending."""
        parent, _, file = name.replace("\\", "/").rpartition("/")
        self.size(name)  # lists the directory
        files = self._directories.get(parent, {})
        plain = _plain(file)
        stems = {plain, plain.rpartition(".")[0] or plain}
        same = (other for other in files if _plain(other) == plain)
        same_stem = (other for other in files if _plain(other).rpartition(".")[0] in stems)
        return next(same, None) or next(same_stem, None)


def is_inside(name: str) -> bool:
    """Whether a relative path stays within its folder, on any system."""
    if name and not set(name) & set("/\\:\0") and name != "..":
        return True  # the usual case: spares large sets the lookups below
    path = PureWindowsPath(name)  # the Windows flavour knows both separators
    return bool(path.parts) and not path.anchor and ".." not in path.parts and "\0" not in name


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", unquote(name)).strip().casefold()


def whereabouts(names: Iterable[str], root: Path) -> str:
    """The folder below `root` with the most files of these names, as a sentence; empty if there are none."""
    wanted = {PureWindowsPath(name).name.lower() for name in names}
    found: Counter[str] = Counter()
    searched = 0
    for directory, _, files in os.walk(root):
        found[directory] += len(wanted.intersection(map(str.lower, files)))
        searched += len(files)
        if searched > _MOST_SEARCHED:
            break
    if not +found:
        return ""
    directory, count = found.most_common(1)[0]
    example = next(path.name for path in sorted(Path(directory).iterdir()) if path.name.lower() in wanted)
    return f"{count:,} of these names lie in {directory}, such as {example}"


def _list(folder: Path) -> dict[str, int]:
    """Name -> bytes of the files directly in `folder`."""
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
