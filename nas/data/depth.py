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
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return np.asarray(image)
    if not is_deep(image):
        return None
    # imported on use: torchvision takes seconds to import, and such images are rare
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
    return image.format == "PNG" and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def value_range(arrays: Iterable[NDArray[Any]]) -> ValueRange | None:
    """The common range of all these values; None if there are none.

    Integers from 0 up get the smallest range of a sensor's bit depth. Floats within 0..1 or 0..255 get that range.
    Other values, such as temperatures, get the range from their minimum to their maximum.
    """
    found = [(values[np.isfinite(values)], values.dtype.kind == "f") for values in arrays]
    sound = [(values, floats) for values, floats in found if values.size]
    if not sound:
        return None
    low, high = min(float(v.min()) for v, _ in sound), max(float(v.max()) for v, _ in sound)
    if low >= 0 and not any(floats for _, floats in sound):
        return ValueRange(0, 2 ** next(bits for bits in _DEPTHS if high < 2**bits))
    if low >= 0 and high <= 255:
        return ValueRange(0, 1 if high <= 1 else 256)
    return ValueRange(low, high if high > low else low + 1)
