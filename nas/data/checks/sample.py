"""Samples of what is too much to check in full."""

import numpy as np

from nas.data.detection_set import IntArray


def evenly_spread(total: int, count: int) -> IntArray:
    """Up to `count` of the positions 0 to `total` - 1, evenly spread, first and last included."""
    if total <= count:
        return np.arange(total)
    return np.linspace(0, total - 1, count).astype(np.int64)
