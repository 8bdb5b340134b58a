"""Shapes of feature maps."""

from typing import NamedTuple

Size = tuple[int, int]
"""Height and width in pixels of the map."""


class MapSpec(NamedTuple):
    """Shape of a feature map: level, width before a block's expansion, and number of channels."""

    level: int
    width: int
    channels: int
