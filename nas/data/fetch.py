"""Data named by a URL: fetched once to each node and cached there."""

import fcntl
import hashlib
import os
import shutil
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass, replace
from functools import cache
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from nas.data.depth import ValueRange
from nas.data.detection_set import DataError, DetectionSet, UInt8Array
from nas.data.images import ImageFolder

SCHEMES = ("http", "https", "file")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_TIMEOUT_S = 60.0


def is_url(source: str) -> bool:
    """Whether the source is a URL, not a path."""
    return "://" in source


def archive_name(url: str) -> str:
    """Name of the set at a URL: the archive's name without its suffix.

    Raises:
        DataError: the URL does not name an archive that can be fetched.
    """
    parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.path)).name
    ending = max((ending for ending in _ARCHIVES if name.lower().endswith(ending)), key=len, default="")
    if parts.scheme not in SCHEMES or not ending or name == ending:
        raise DataError(
            f"data {url!r} cannot be fetched: name a {', '.join(_ARCHIVES)} file by {'://, '.join(SCHEMES)}://"
        )
    return name.removesuffix(name[-len(ending) :])


def cache_folder() -> Path:
    """This node's cache of fetched data: $FUSION_NAS_CACHE, or ~/.cache/fusion-nas."""
    return Path(os.environ.get("FUSION_NAS_CACHE") or "~/.cache/fusion-nas").expanduser()


@cache
def fetch(url: str) -> Path:
    """The folder of the archive's content on this node; its other processes wait while one of them fetches it.

    The cached folder is never refreshed: a set that changes needs another URL.

    Raises:
        DataError: the archive cannot be reached, is incomplete, or holds paths outside its folder.
    """
    name = archive_name(url)
    home = cache_folder() / hashlib.sha256(url.encode()).hexdigest()[:16]
    folder = home / name
    if folder.is_dir():
        return folder
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=home) as work:
                archive, content = Path(work, "archive"), Path(work, "content")
                _download(url, archive)
                _unpack(url, archive, content)
                _inner(content).rename(folder)  # atomic: an existing folder is complete
    return folder


def _download(url: str, archive: Path) -> None:
    try:
        with urlopen(url, timeout=_TIMEOUT_S) as answer, archive.open("wb") as file:
            shutil.copyfileobj(answer, file, 2**20)
            stated = answer.headers.get("Content-Length")
    except (OSError, HTTPException) as error:
        raise DataError(f"{url} cannot be fetched ({error}): make it reachable from this node") from error
    if stated is not None and archive.stat().st_size != int(stated):
        raise DataError(f"{url} broke off after {archive.stat().st_size} of {stated} bytes: try again")


def _unpack(url: str, archive: Path, content: Path) -> None:
    """Unpack an archive, without absolute paths, links out of the folder, and devices."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(content)  # zipfile confines members to the folder
        else:
            with tarfile.open(archive) as tarred:
                _untar(tarred, content)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise DataError(f"{url} does not unpack ({error}): give a whole zip or tar file") from error


def _untar(tarred: tarfile.TarFile, content: Path) -> None:
    if hasattr(tarfile, "data_filter"):
        tarred.extractall(content, filter="data")
        return
    for member in tarred.getmembers():  # Python 3.11.0 to 3.11.3 lack the data filter
        path = PurePosixPath(member.name)
        if not (member.isfile() or member.isdir()) or path.is_absolute() or ".." in path.parts:
            raise tarfile.TarError(f"{member.name!r} is outside the folder, or not a file")
    tarred.extractall(content)


def _inner(content: Path) -> Path:
    """The set's folder: the archive's content, or its only folder."""
    entries = list(content.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else content


@dataclass(frozen=True)
class FetchedImages:
    """Loads images by position from a fetched set in this node's cache: (H, W, 3) uint8 RGB."""

    url: str
    folder: PurePosixPath
    """Folder of the images, within the set."""
    names: tuple[str, ...]
    values: ValueRange | None = None
    """See `ImageFolder`."""

    def __call__(self, position: int) -> UInt8Array:
        return ImageFolder(fetch(self.url) / self.folder, self.names, self.values)(position)

    def fingerprint(self) -> str:
        """See `ImageFolder`."""
        return ImageFolder(fetch(self.url) / self.folder, self.names).fingerprint()


def anywhere(data: DetectionSet, url: str) -> DetectionSet:
    """The set read from `fetch(url)`, with a loader that works on any node."""
    load = data.load
    assert isinstance(load, ImageFolder)
    folder = PurePosixPath(load.folder.relative_to(fetch(url).absolute()))
    return replace(data, load=FetchedImages(url, folder, load.names, load.values))
