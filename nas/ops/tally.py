"""What layers cost, added up from their channels and sizes: nothing is built."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from search_spaces.genotype import Scale

FLOAT_BYTES = 4
"""Of an element in single precision."""


class Count(NamedTuple):
    """What a part of a network costs for one image.

    Attributes:
        parameters: weights, buffers not counted.
        macs: multiply-adds of convolutions and matrix products.
        activations: elements that convolutions write.
        working: most elements alive at once while it runs: what it makes counts, what it reads does not. 0 for a part
            that hands on what it reads.
    """

    parameters: int
    macs: int
    activations: int
    working: int


class Tally:
    """Adds up the layers of an operator, told in the order in which they run.

    While a layer runs, these are alive: what the layer before it wrote, what it writes itself, and all that is `kept`.

    Attributes:
        scale: how big the network is.
        image_size: side of the square image, px.
    """

    def __init__(self, scale: Scale, image_size: int) -> None:
        self.scale = scale
        self.image_size = image_size
        self._parameters = self._macs = self._activations = self._working = 0
        self._written = self._kept = 0

    @property
    def count(self) -> Count:
        """All that was told so far."""
        return Count(self._parameters, self._macs, self._activations, self._working)

    def side(self, level: int) -> int:
        """Side of the maps of a level, px."""
        return -(-self.image_size // 2**level)

    def pixels(self, level: int) -> int:
        """Pixels of a map of a level."""
        return self.side(level) ** 2

    def conv(
        self,
        channels_in: int,
        channels_out: int,
        pixels: int,
        *,
        kernel: int = 1,
        groups: int = 1,
        bias: bool = False,
        norm: bool = False,
    ) -> None:
        """A convolution of any stride and dilation that writes so many `pixels`, and its norm, which copies them."""
        weights = channels_in // groups * kernel**2 * channels_out
        self._parameters += weights + channels_out * (bias + 2 * norm)
        self._macs += weights * pixels
        self._activations += channels_out * pixels
        self.write(channels_out, pixels, copies=1 + norm)

    def product(self, rows: int, inner: int, columns: int) -> None:
        """A product of matrices (rows, inner) and (inner, columns)."""
        self._macs += rows * inner * columns
        self.write(columns, rows)

    def linear(self, channels_in: int, channels_out: int, rows: int) -> None:
        """A biased fully connected layer over so many rows."""
        self.weights((channels_in + 1) * channels_out)
        self.product(rows, channels_in, channels_out)

    def weights(self, number: int) -> None:
        """Parameters beside those of the layers above."""
        self._parameters += number

    def write(self, channels: int, pixels: int, *, copies: int = 1) -> None:
        """Any layer that makes a map; the layer after it reads the last of the copies."""
        elements = channels * pixels
        self._working = max(self._working, self._kept + self._written + copies * elements)
        self._written = elements

    def pool(self, channels: int, pixels: int) -> None:
        """A max pool, which also writes where it found the maxima, in 64 bits."""
        self.write(channels, pixels, copies=3)

    def add(self, count: Count) -> None:
        """A part that was counted elsewhere."""
        self._parameters += count.parameters
        self._macs += count.macs
        self._activations += count.activations
        self._working = max(self._working, self._kept + self._written + count.working)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """What was written last stays alive within, for a sum at the end. (An operator's input always does.)"""
        before = self._kept
        self._kept, self._written = before + self._written, 0
        yield
        self._kept = before
