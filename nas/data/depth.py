"""Images of more than 8 bits a channel (16-bit and 32-bit integers, floats), and their scaling to 0..255."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.data.detection_set import DetectionSet, UInt8Array

_DEPTHS = (8, 10, 12, 14, 16, 24, 32)
"""Bit depths of sensors and file formats."""
_OUTLIERS = 0.001
"""Share of values that may lie outside the range, at each end."""
_SAMPLE = 2**18
"""Values sampled from an image."""
_NO_NUMBER = 1e30
"""Bound of valid values."""
_NO_DATA = (-9999, -32767, -32768, -99999)
"""Values for "no data" in GeoTIFF and elevation models."""


@dataclass(frozen=True)
class ValueRange:
    """Stored values from `low` to just below `high`, scaled to 0..255; values outside are clipped."""

    low: float
    high: float

    def to_uint8(self, values: NDArray[Any]) -> UInt8Array:
        """Values of any shape -> uint8 of that shape; NaN becomes 0."""
        levels = (values.astype(np.float64) - self.low) * (256 / (self.high - self.low))
        return np.floor(np.nan_to_num(levels, posinf=255.0, neginf=0.0)).clip(0, 255).astype(np.uint8)

    def union(self, other: "ValueRange | None") -> "ValueRange":
        """The smallest range that holds both."""
        if other is None:
            return self
        return ValueRange(min(self.low, other.low), max(self.high, other.high))

    @property
    def words(self) -> str:
        """The range in words, for messages."""
        bits = next((bits for bits in _DEPTHS if self == ValueRange(0, 2**bits)), None)
        return f"{bits} bits" if bits else f"values from {self.low:g} to {self.high:g}"


@runtime_checkable
class ScaledImages(Protocol):
    """A loader (a dataclass) that scales the values of images of more than 8 bits."""

    values: ValueRange | None


def values_of(data: DetectionSet) -> ValueRange | None:
    """The value range of a set's images of more than 8 bits; None if it has none."""
    return data.load.values if isinstance(data.load, ScaledImages) else None


def scaled_from(data: DetectionSet, values: ValueRange) -> DetectionSet:
    """The set with its images of more than 8 bits scaled from another range, such as a training's."""
    if not isinstance(data.load, ScaledImages):
        return data
    return replace(data, load=replace(data.load, values=values))


def deep_values(image: Image.Image, path: Path) -> NDArray[Any] | None:
    """Values (H, W) or (H, W, 3) of an opened image of more than 8 bits a channel; None for any other.

    Pillow 13 keeps only the upper byte of 16-bit colour, so torchvision decodes PNGs of 16-bit colour; its version
    0.29 deprecates decoding.
    """
    if not is_deep(image):
        return None
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        unsigned = image.mode == "I" and raw_mode(image).startswith("I;32") and "S" not in raw_mode(image)
        stored = np.asarray(image)
        return stored.view(np.uint32) if unsigned else stored
    # importing torchvision takes seconds, for images that are rare
    import torch

    try:
        from torchvision.io import ImageReadMode, decode_image
    except ImportError:
        return None
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        pixels = decode_image(torch.from_numpy(np.fromfile(path, np.uint8)), ImageReadMode.UNCHANGED)
    values: NDArray[Any] = pixels.numpy()[: 3 if len(pixels) > 2 else 1].transpose(1, 2, 0)  # without transparency
    return values if values.shape[2] == 3 else values[:, :, 0]


def is_deep(image: Image.Image) -> bool:
    """Whether an opened image has more than 8 bits a channel that can all be read."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return True
    return image.format == "PNG" and ";16" in raw_mode(image)


def is_cut(image: Image.Image) -> bool:
    """Whether an opened image has more than 8 bits a channel; only the upper 8 can be read."""
    return not is_deep(image) and ";16" in raw_mode(image)


def raw_mode(image: Image.Image) -> str:
    """How an opened image stores its pixels, in Pillow's words, such as `RGB;16B`."""
    tiles = getattr(image, "tile", ())
    arguments = tiles[0][3] if tiles else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def value_range(arrays: Iterable[NDArray[Any]]) -> ValueRange | None:
    """The common range of all these values; None if there are none.

    Integers from 0 up fill a number of bits that sensors have. Floats are taken for 0..1 or 0..255 where they lie
    within. Other values, and values that would keep less than a sixteenth of the grey levels, such as temperatures,
    fill the range from their lowest to their highest. One value in a thousand may lie outside, such as a hot pixel;
    values that stand for "no data" do not count.
    """
    pooled = [_sample(values) for values in arrays]
    values = np.concatenate(pooled) if pooled else np.zeros(0)
    values = values[np.isfinite(values) & (np.abs(values) < _NO_NUMBER) & ~np.isin(values, _NO_DATA)]
    if not values.size:
        return None
    low, high = (float(bound) for bound in np.quantile(values, (_OUTLIERS, 1 - _OUTLIERS)))
    whole = all(np.issubdtype(sample.dtype, np.integer) for sample in pooled)
    usual = _usual(low, high, whole=whole)
    if usual and (high == low or high - low >= (usual.high - usual.low) / 16):
        return usual
    return ValueRange(low, high + 1 if whole or high == low else high)


def _usual(low: float, high: float, *, whole: bool) -> ValueRange | None:
    if low < 0 or (not whole and high > 255):
        return None
    if whole:
        return ValueRange(0, 2 ** next(bits for bits in _DEPTHS if high < 2**bits))
    return ValueRange(0, 1 if high <= 1 else 256)


def _sample(values: NDArray[Any]) -> NDArray[Any]:
    """Some of an image's values, evenly spread."""
    flat = values.reshape(-1)
    return flat[:: max(1, flat.size // _SAMPLE)]
