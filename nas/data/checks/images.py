"""Checks of a set's image files before training: missing, broken and suspicious ones."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.data.checks.copies import note_repeated_images
from nas.data.checks.paths import Listing, is_inside, whereabouts
from nas.data.checks.sample import evenly_spread
from nas.data.depth import ValueRange, deep_values, is_cut, is_deep, value_range
from nas.data.detection_set import DataError
from nas.data.diagnostics import Diagnostics, Kind, Severity
from nas.data.images import EXCERPTS_UP_TO, ImageFiles, ImageFolder, beyond_limit, orientation, read_image, stored_size

OPENED_UP_TO = EXCERPTS_UP_TO
"""Up to this many images all are opened; of larger sets only a sample, unless `every` is set."""
_SAMPLE = 32
"""Sample size: opened images of a large set, and decoded images of more than 8 bits."""
_DECODED = 8
"""Images decoded to detect nearly black sets."""
_DARK = 32
_LONG = 8
_ENDINGS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}

ProgressCallback = Callable[[int, int], None]
"""Called with (images opened, images to open)."""

_BROKEN = Kind("broken images", "replace the files, or drop their entries")
_RESIZED = Kind("images of another size than stated", "state width and height as stored, before any EXIF rotation")
_UNREADABLE = Kind("broken images among those that were opened", "nas data check opens every image", Severity.warning)
_TURNED = Kind(
    "images with an EXIF orientation, which is ignored, as boxes are taken to be in stored pixels",
    "check that the boxes are in pixels of the image as stored, or store the images upright without the tag",
    Severity.warning,
)
_BLACK = Kind(
    "images that are nearly black, of those examined", "check that their values fill 0 to 255", Severity.warning
)
_CUT = Kind("images of 16-bit colour, where only the upper 8 bits are read", "store them as PNG", Severity.warning)
_PAGES = Kind("images of several pages or frames, where only the first is read", "", Severity.warning)
_PAGED = ("TIFF", "GIF", "WEBP", "AVIF")
_RENAMED = Kind("file names that are read as paths below the image directory", "", Severity.note)
_ELONGATED = Kind(
    f"images more than {_LONG} times as long as wide, which keep few pixels in a square",
    "cut them into tiles",
    Severity.note,
)


def examine_images(
    images: Sequence[Mapping[str, Any]],
    folder: Path,
    root: Path,
    diagnostics: Diagnostics,
    *,
    every: bool = False,
    progress: ProgressCallback | None = None,
) -> ImageFiles:
    """Find a set's images, and record errors and suspicious findings.

    Every file must exist and not be empty. Files are also opened, all of them in sets of up to `OPENED_UP_TO` images
    or with `every`, else a sample: they must be complete images of the stated size. A file is decoded only if it lacks
    its format's end marker.

    Args:
        images: COCO's entries.
        folder: folder of the images.
        root: folder in which missing images are searched.
        diagnostics: of the annotation file.
        every: whether all files of any set are opened.
        progress: called with (images opened, images to open).

    Raises:
        DataError: `folder` is no directory.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a directory; it must hold the images of {diagnostics.file}")
    found = _find(images, Listing(folder), root, diagnostics)
    there = [i for i, (_, length) in enumerate(found) if length]
    all_opened = every or len(images) <= OPENED_UP_TO
    opened = there if all_opened else [there[i] for i in evenly_spread(len(there), _SAMPLE)]
    headers = _Headers(folder, diagnostics, _BROKEN if all_opened else _UNREADABLE)
    for done, i in enumerate(opened, 1):
        headers.check(images[i], found[i][0])
        if progress:
            progress(done, len(opened))
    names = tuple(name for name, _ in found)
    load = ImageFolder(folder.absolute(), names, _common_values(headers.deep))
    lengths = tuple(length for _, length in found)
    note_repeated_images(load, lengths, there, diagnostics, contents=all_opened)
    if load.values:
        _note_scaling(load.values, len(headers.deep), diagnostics)
    _note_black(load, images, opened, diagnostics)
    return ImageFiles(load, lengths)


def _find(
    images: Iterable[Mapping[str, Any]], listing: Listing, root: Path, diagnostics: Diagnostics
) -> list[tuple[str, int]]:
    """Each image's path below the folder and its size in bytes; 0 for a missing file."""
    found: list[tuple[str, int]] = []
    outside: list[Mapping[str, Any]] = []
    missing: list[Mapping[str, Any]] = []
    for image in images:
        stated: str = image["file_name"]
        name = listing.resolve(stated)
        length = (listing.size(name) or 0) if name else 0
        found.append((name or stated, length))
        if name is None:
            (missing if is_inside(stated) else outside).append(image)
        elif not length:
            diagnostics.add(_BROKEN, f"{stated} (id {image['id']}) is empty")
        elif name != stated:
            diagnostics.add(_RENAMED, f"{stated} as {name}")
    _note_lost(outside, "file names that leave the image directory", "use names relative to it", root, diagnostics)
    near = [listing.near(image["file_name"]) for image in missing[:3]]
    what = f"missing images, looked for in {listing.folder.absolute()}"
    if any(near):
        shown = [f"{i['file_name']} (id {i['id']}; there is {other})" for i, other in zip(missing, near, strict=False)]
        diagnostics.add_all(Kind(what, "state the names as the files have them"), len(missing), shown)
    else:
        _note_lost(missing, what, "add the files, or drop their entries", root, diagnostics)
    return found


def _note_lost(
    images: Sequence[Mapping[str, Any]], what: str, advice: str, root: Path, diagnostics: Diagnostics
) -> None:
    """Record images that are not where they should be, and where below `root` files of their names lie."""
    if images:
        where = whereabouts((image["file_name"] for image in images), root)
        kind = Kind(what, f"{where}; move them, or state their paths" if where else advice)
        diagnostics.add_all(kind, len(images), [f"{i['file_name']} (id {i['id']})" for i in images[:3]])


class _Headers:
    """Opens images without decoding them, and records findings of their headers.

    Attributes:
        deep: paths of the images of more than 8 bits a channel.
    """

    def __init__(self, folder: Path, diagnostics: Diagnostics, broken: Kind) -> None:
        self.folder, self.diagnostics, self.broken = folder, diagnostics, broken
        self.deep: list[Path] = []

    def check(self, entry: Mapping[str, Any], name: str) -> None:
        """Open the image `name` of an annotation file's `entry`."""
        path, label = self.folder / name, f"{name} (id {entry['id']})"
        try:
            with Image.open(path) as image:
                width, height = stored_size(image)
                turn = orientation(image)
                deep, cut = is_deep(image), is_cut(image)
                pages = getattr(image, "n_frames", 1) if image.format in _PAGED else 1
                if not _has_end_marker(path, image.format):
                    image.load()
        except Image.DecompressionBombError:
            self.diagnostics.add(Kind(f"images {beyond_limit()}", "cut them into tiles"), label)
            return
        except Exception as error:  # Pillow's parsers raise many types on damaged files
            self.diagnostics.add(self.broken, f"{label}: {error}")
            return
        if deep:
            self.deep.append(path)
        if cut:
            self.diagnostics.add(_CUT, label)
        if pages > 1:
            self.diagnostics.add(_PAGES, f"{label} of {pages}")
        stated = entry["width"], entry["height"]
        turned = f", EXIF orientation {turn}" if turn > 1 else ""
        if (width, height) != stated:
            self.diagnostics.add(_RESIZED, f"{label} is {width}x{height}{turned}, stated as {stated[0]}x{stated[1]}")
        elif turned:
            self.diagnostics.add(_TURNED, label)
        if max(stated) > _LONG * min(stated):
            self.diagnostics.add(_ELONGATED, f"{label} of {stated[0]}x{stated[1]}")


def _has_end_marker(path: Path, image_format: str | None) -> bool:
    ending = _ENDINGS.get(image_format or "")
    if ending is None:
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(ending)))
        return file.read() == ending


def _common_values(deep: list[Path]) -> ValueRange | None:
    """The value range of images of more than 8 bits, from a sample of them; None if there are none."""
    return value_range(_decoded(deep[i] for i in evenly_spread(len(deep), _SAMPLE)))


def _decoded(paths: Iterable[Path]) -> Iterator[NDArray[Any]]:
    for path in paths:
        with suppress(Exception), Image.open(path) as image:  # a damaged file is reported when it is loaded
            values = deep_values(image, path)
            if values is not None:
                yield values


def _note_scaling(values: ValueRange, count: int, diagnostics: Diagnostics) -> None:
    what = f"images of more than 8 bits a channel, whose values are scaled from {values.words} to 0..255"
    diagnostics.add_all(Kind(what, "", Severity.note), count)


def _note_black(
    load: ImageFolder, images: Sequence[Mapping[str, Any]], opened: list[int], diagnostics: Diagnostics
) -> None:
    examined = [opened[i] for i in evenly_spread(len(opened), _DECODED)]
    brightest: list[int] = []
    for i in examined:
        try:
            pixels = read_image(load.folder / load.names[i], load.values)
            brightest.append(int(np.quantile(pixels, 0.999)))
        except DataError:
            continue
    if brightest and max(brightest) < _DARK:
        diagnostics.add_all(_BLACK, len(brightest), [f"{load.names[i]} (id {images[i]['id']})" for i in examined[:3]])
