"""Handwritten digits at any size: scikit-learn's 8x8 scans, cropped to their ink."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nas.data.detection_set import FloatArray, IntArray

Part = Literal["train", "val"]

INK = 0.1
"""Opacity from which a pixel counts as ink."""

_CONTOUR = 0.3
"""Gray level of the contour at which scans are cropped, from 0 (black) to 1 (white)."""
_CLEAR, _OPAQUE = 0.2, 0.7
"""Gray levels of opacity 0 and 1: the contour between them is faint ink."""
_FINE = 16
"""Upsampling factor for locating ink."""
_PARTS: dict[Part, tuple[float, float]] = {"train": (0.0, 0.6), "val": (0.7, 1.0)}


@dataclass(frozen=True, eq=False)
class Glyphs:
    """Scanned digits and the bounds of their ink."""

    scans: tuple[Image.Image, ...]
    """8-bit gray, 10x10: the 8x8 scan with a margin of one."""
    ink: tuple[tuple[float, float, float, float], ...]
    """x1 y1 x2 y2 of the ink, in pixels of the scan."""
    labels: IntArray
    """(N,) digits of the scans."""

    def pick(self, label: int, rng: np.random.Generator) -> int:
        """Draw the index of a scan of `label`."""
        return int(rng.choice(np.flatnonzero(self.labels == label)))

    def draw(self, index: int, side: int) -> FloatArray:
        """Opacity 0..1 of a digit, (h, w), the longer `side` px; its ink touches all four borders."""
        x1, y1, x2, y2 = self.ink[index]
        longer = max(x2 - x1, y2 - y1)
        width, height = (max(4, round(side * extent / longer)) for extent in (x2 - x1, y2 - y1))
        scan = self.scans[index].resize((width, height), Image.Resampling.BICUBIC, box=self.ink[index])
        gray = np.asarray(scan, np.float32) / 255
        return ((gray - _CLEAR) / (_OPAQUE - _CLEAR)).clip(0, 1)


def load_glyphs(part: Part) -> Glyphs:
    """Load the digits of one split's writers.

    The scans are ordered by writer, some 130 each. Training takes the first 60 % and validation the last 30 %;
    the 180 in between belong to neither, so that no writer is in both.
    """
    # imported on use: scikit-learn takes a second to import
    from sklearn.datasets import load_digits

    labels: IntArray
    scans, labels = load_digits(return_X_y=True)
    start, end = (round(share * len(labels)) for share in _PARTS[part])
    gray = np.pad((scans[start:end].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), ((0, 0), (1, 1), (1, 1)))
    images = tuple(map(Image.fromarray, gray))
    return Glyphs(images, tuple(map(_find_ink, images)), labels[start:end].astype(np.int64))


def _find_ink(scan: Image.Image) -> tuple[float, float, float, float]:
    fine = np.asarray(scan.resize((scan.width * _FINE, scan.height * _FINE), Image.Resampling.BICUBIC))
    x1, y1, x2, y2 = bounds(fine >= 255 * _CONTOUR)
    return x1 / _FINE, y1 / _FINE, x2 / _FINE, y2 / _FINE


def bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """x1 y1 x2 y2 (exclusive) of the true pixels of a (H, W) mask."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
