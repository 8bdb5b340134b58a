"""Image files: decoding them to RGB."""

import hashlib
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from nas.data.checks.paths import Listing
from nas.data.depth import ValueRange, deep_values, value_range
from nas.data.detection_set import DataError, UInt8Array
from nas.data.fingerprint import digest

# Pillow warns of each image above half of its limit; reading a set reports them in one line
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


_WHOLE_UP_TO = 2**30
"""Bytes of a set whose files are read whole to tell whether they changed; of larger ones, excerpts."""
_PART = 2**16
EXCERPTS_UP_TO = 5_000
"""Up to this many images, fingerprints include excerpts of files; above, lengths alone."""


@dataclass(frozen=True)
class ImageFolder:
    """Loads images by position: (H, W, 3) uint8 RGB.

    Attributes:
        folder: folder of the images.
        names: paths of the images within the folder.
        values: value range of images of more than 8 bits, scaled to 0..255; None to derive it from each image.
    """

    folder: Path
    names: tuple[str, ...]
    values: ValueRange | None = None

    def __call__(self, position: int) -> UInt8Array:
        return read_image(self.folder / self.names[position], self.values)

    def fingerprint(self) -> str:
        """A digest of the names, the files' lengths and, in sets of up to `EXCERPTS_UP_TO` images, excerpts."""
        listing = Listing(self.folder)
        lengths = [listing.size(name) or 0 for name in self.names]
        facts = [json.dumps([self.names, lengths]).encode()]
        if len(self.names) <= EXCERPTS_UP_TO:
            part = None if sum(lengths) <= _WHOLE_UP_TO else _PART
            there = zip(self.names, lengths, strict=True)
            facts += [excerpt(self.folder / name, length, part) for name, length in there if length]
        return digest(facts)


@dataclass(frozen=True)
class ImageFiles:
    """A set's image files, examined without decoding.

    Attributes:
        load: loads the images by position.
        lengths: bytes of each file.
    """

    load: ImageFolder
    lengths: tuple[int, ...]


def read_image(path: Path, values: ValueRange | None = None) -> UInt8Array:
    """Decode to (H, W, 3) uint8 RGB. EXIF orientation is ignored, since boxes are in stored pixels.

    Args:
        path: the image's file.
        values: value range of more than 8 bits, scaled to 0..255; None to derive it from the image's own values.

    Raises:
        DataError: the file does not decode, or has more pixels than Pillow decodes.
    """
    try:
        with Image.open(path) as image:
            return _rgb(image, path, values)
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} is {beyond_limit()}; cut it into tiles") from error
    # Pillow's decoders raise many types on damaged files
    except Exception as error:
        raise DataError(f"{path} does not decode ({error}); replace the file or drop its entry") from error


def excerpt(path: Path, length: int, part: int | None = 4096) -> bytes:
    """A digest of `part` bytes at a file's begin, middle and end, or, if None, of all its bytes."""
    if part is None or length <= 3 * part:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    content = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        for start in (0, length // 2, length - part):
            file.seek(start)
            content.update(file.read(part))
    return content.digest()


def beyond_limit() -> str:
    """The message about images that exceed Pillow's limit of pixels."""
    return f"of more than {2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6:,.0f} million pixels, which Pillow does not decode"


ORIENTATION = 0x0112
"""EXIF's tag."""
_TURNED_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""Orientation -> what undoes the turn that it asks for."""


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of an opened image: 1 is upright. PNGs are not decoded for it, as Pillow would."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    try:
        found = int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF data do no harm to the image
        return 1
    return found if found in _TURNED_BACK else 1


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as stored; Pillow 13 states those of a TIFF after the turn that its orientation asks for."""
    return image.size[::-1] if image.format == "TIFF" and orientation(image) >= 5 else image.size


def _rgb(image: Image.Image, path: Path, values: ValueRange | None) -> UInt8Array:
    turned = orientation(image) if image.format == "TIFF" else 1  # of all formats, Pillow 13 turns TIFF by itself
    pixels = _upright(image, path, values)
    if turned == 1:
        return pixels
    return np.asarray(Image.fromarray(pixels).transpose(_TURNED_BACK[turned]))


def _upright(image: Image.Image, path: Path, values: ValueRange | None) -> UInt8Array:
    deep = deep_values(image, path)
    if deep is None:
        # a palette's transparency would be converted with a warning and a loss of precision
        return np.array((image.convert("RGBA") if "transparency" in image.info else image).convert("RGB"))
    scaled = (values or value_range([deep]) or ValueRange(0, 256)).to_uint8(deep)
    return scaled if scaled.ndim == 3 else np.repeat(scaled[:, :, None], 3, axis=2)
