"""The proxies by name, and users' own by import path."""

from collections.abc import Callable

from nas.data.detection_set import DetectionSet
from nas.search.types import Proxy
from proxies.cost import CostConfig, CostProxy
from proxies.short_train import ShortTrain, ShortTrainConfig
from proxies.zero_cost.proxy import ZeroCost, ZeroCostConfig
from search_spaces.importing import build_own

BuiltIn = ShortTrainConfig | ZeroCostConfig | CostConfig
"""The settings of one of our own."""
PROXIES = ("short_train", "zero_cost", "cost")
QUICK = ("zero_cost", "cost")
"""Those of which many pass in a second."""


def prepare(
    config: BuiltIn,
    data: tuple[DetectionSet, DetectionSet],
    progress: Callable[[int, int], None] | None = None,
) -> Proxy:
    """The proxy that settings describe, with as much of the data decoded as it looks at.

    Args:
        progress: hears of (images done, images in all) of each set.

    Raises:
        DataError: an image does not decode, or there are too few.
    """
    match config:
        case ShortTrainConfig():
            return ShortTrain.prepare(config, data, progress)
        case ZeroCostConfig():
            return ZeroCost.prepare(config, data, progress)
        case CostConfig():
            return CostProxy.prepare(config, data, progress)


def own_proxy(path: str, data: tuple[DetectionSet, DetectionSet]) -> Proxy:
    """A user's own proxy: what the function or class at an import path makes of the training and the validation set.

    Raises:
        ImportPathError: the path leads to nothing that is called with these two and makes a proxy.
    """
    proxy: Proxy = build_own(path, *data, call="my_proxy(train, val)", needs=("objectives", "steps", "evaluate"))
    return proxy
