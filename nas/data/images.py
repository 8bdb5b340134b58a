"""Image files: decoding them, and finding the broken ones before any training does."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from PIL import Image

from nas.data.detection_set import DataError, UInt8Array
from nas.data.problems import Kind, Problems

HEADERS_UP_TO = 5_000
"""Sets of more images are checked by their directory listing alone."""

_ENDINGS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}

_OUTSIDE = Kind("file names that leave the image directory", "use names relative to it, without '..'")
_MISSING = Kind("missing images", "add the files to the image directory, or drop their entries")
_BROKEN = Kind("broken images", "replace the files, or drop their entries")
_RESIZED = Kind("images of another size than stated", "state width and height as stored, before any EXIF rotation")


@dataclass(frozen=True)
class ImageFolder:
    """Loads images by position: (H, W, 3) uint8 RGB."""

    folder: Path
    names: tuple[str, ...]

    def __call__(self, position: int) -> UInt8Array:
        return read_image(self.folder / self.names[position])


def read_image(path: Path) -> UInt8Array:
    """Decode to (H, W, 3) uint8 RGB. EXIF orientation is ignored, since boxes are in stored pixels.

    Raises:
        DataError: the file does not decode.
    """
    try:
        with Image.open(path) as image:
            return np.array(_eight_bit(image).convert("RGB"))
    # Pillow's decoders raise whatever their parsers stumble over
    except Exception as error:
        raise DataError(f"{path} does not decode ({error}); replace the file or drop its entry") from error


def _eight_bit(image: Image.Image) -> Image.Image:
    # converting 16-bit gray clips at 255 instead of scaling
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    # a palette's transparency would be converted with a warning and a loss of precision
    return image.convert("RGBA") if "transparency" in image.info else image


def check_images(images: Iterable[Mapping[str, Any]], folder: Path, *, headers: bool, problems: Problems) -> None:
    """Note every image that is missing, empty or outside `folder`, which is listed once.

    With `headers`, files are opened too: they must be whole images of the stated size. A file is decoded only
    where it does not end as its format ends.

    Raises:
        DataError: `folder` is no directory.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a directory; it must hold the images of {problems.file}")
    listings: dict[PurePosixPath, dict[str, int]] = {}
    for image in images:
        path, entry = PurePosixPath(image["file_name"]), f"{image['file_name']} (id {image['id']})"
        if not _is_inside(image["file_name"]):
            problems.add(_OUTSIDE, entry)
            continue
        if path.parent not in listings:
            listings[path.parent] = _list(folder / path.parent)
        length = listings[path.parent].get(path.name)
        if length is None:
            problems.add(_MISSING, entry)
        elif length == 0:
            problems.add(_BROKEN, f"{entry} is empty")
        elif headers:
            _check_header(folder / path, entry, (image["height"], image["width"]), problems)


def _is_inside(name: str) -> bool:
    # the Windows flavour knows both separators
    path = PureWindowsPath(name)
    return bool(path.parts) and not path.anchor and ".." not in path.parts and "\0" not in name


def _list(folder: Path) -> dict[str, int]:
    """Name -> bytes of the files right in `folder`."""
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}


def _check_header(path: Path, entry: str, stated: tuple[int, int], problems: Problems) -> None:
    try:
        with Image.open(path) as image:
            stored = (image.height, image.width)
            if not _ends_well(path, image.format):
                image.load()
    except Exception as error:
        problems.add(_BROKEN, f"{entry}: {error}")
        return
    if stored != stated:
        problems.add(_RESIZED, f"{entry} is {stored[1]}x{stored[0]}, stated as {stated[1]}x{stated[0]}")


def _ends_well(path: Path, image_format: str | None) -> bool:
    ending = _ENDINGS.get(image_format or "")
    if ending is None:
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(ending)))
        return file.read() == ending
