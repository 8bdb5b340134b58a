"""The cost of layers by formula, from their channels and sizes: no module is built."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from search_spaces.genotype import Scale

FLOAT_BYTES = 4
"""Bytes per element in single precision."""


class Count(NamedTuple):
    """Cost of a part of a network for one image.

    Attributes:
        parameters: number of weights, buffers excluded.
        macs: multiply-adds of convolutions and matrix products.
        activations: elements that convolutions write.
        working: peak of live elements while it runs, its outputs included and its inputs excluded; 0 for a part that
            returns its input.
    """

    parameters: int
    macs: int
    activations: int
    working: int


class Tally:
    """Adds up the costs of an operator's layers, recorded in the order in which they run.

    While a layer runs, live are the output of the previous layer, its own output, and all maps under `kept`.

    Attributes:
        scale: size of the network.
        image_size: side of the square image, px.
    """

    def __init__(self, scale: Scale, image_size: int) -> None:
        self.scale = scale
        self.image_size = image_size
        self._parameters = self._macs = self._activations = self._working = 0
        self._written = self._kept = 0

    @property
    def count(self) -> Count:
        """The cost of all layers recorded so far."""
        return Count(self._parameters, self._macs, self._activations, self._working)

    def side(self, level: int) -> int:
        """Side of the maps of a level, px."""
        return -(-self.image_size // 2**level)

    def pixels(self, level: int) -> int:
        """Pixels of the maps of a level."""
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
        """A convolution of any stride and dilation with `pixels` of output, and its norm, which makes a copy."""
        weights = channels_in // groups * kernel**2 * channels_out
        self._parameters += weights + channels_out * (bias + 2 * norm)
        self._macs += weights * pixels
        self._activations += channels_out * pixels
        self.write(channels_out, pixels, copies=1 + norm)

    def product(self, rows: int, inner: int, columns: int) -> None:
        """A matrix product of (rows, inner) and (inner, columns)."""
        self._macs += rows * inner * columns
        self.write(columns, rows)

    def linear(self, channels_in: int, channels_out: int, rows: int) -> None:
        """A biased fully connected layer on an input of `rows` rows."""
        self.weights((channels_in + 1) * channels_out)
        self.product(rows, channels_in, channels_out)

    def weights(self, number: int) -> None:
        """Parameters outside the other layers."""
        self._parameters += number

    def write(self, channels: int, pixels: int, *, copies: int = 1) -> None:
        """Any layer that writes a map; the next layer reads the last of its `copies`."""
        elements = channels * pixels
        self._working = max(self._working, self._kept + self._written + copies * elements)
        self._written = elements

    def pool(self, channels: int, pixels: int) -> None:
        """A max pool, which also writes the 64-bit indices of the maxima."""
        self.write(channels, pixels, copies=3)

    def add(self, count: Count) -> None:
        """A part whose cost is already known."""
        self._parameters += count.parameters
        self._macs += count.macs
        self._activations += count.activations
        self._working = max(self._working, self._kept + self._written + count.working)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the last output live inside the context, for a sum at its end. (An operator's input always is.)"""
        before = self._kept
        self._kept, self._written = before + self._written, 0
        yield
        self._kept = before
