"""The description of a feature map."""

from typing import NamedTuple

Size = tuple[int, int]
"""Height and width in pixels of the map."""


class MapSpec(NamedTuple):
    """A feature map: its level, its width before a block's expansion, and the channels it really has."""

    level: int
    width: int
    channels: int
