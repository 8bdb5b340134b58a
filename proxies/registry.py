"""The proxies by name, and users' own by import path."""

from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict, field_validator

from nas.data.detection_set import DetectionSet
from nas.search.types import Direction, Proxy
from proxies.config import ShortTrainConfig, ZeroCostConfig
from proxies.cost import CostConfig, CostProxy
from search_spaces.importing import ImportPathError, build_own, imported
from search_spaces.naming import unknown

BuiltIn = ShortTrainConfig | ZeroCostConfig | CostConfig
"""The settings of one of our own."""
PROXIES = ("short_train", "zero_cost", "cost")
QUICK = ("zero_cost", "cost")
"""Those of which many pass in a second."""


class OwnConfig(BaseModel):
    """A user's own proxy where its settings have to say what it scores before it is there.

    Attributes:
        path: my_module:my_proxy.
        score: which of its objectives candidates are compared by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    score: str
    direction: Direction = "max"

    @field_validator("path")
    @classmethod
    def _leads_somewhere(cls, path: str) -> str:
        imported(path)
        return path

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """The one score, as `ProxyConfig.objectives`."""
        return {self.score: self.direction}

    @property
    def signals(self) -> Mapping[str, Direction]:
        """The same, as `ProxyConfig.signals`."""
        return self.objectives

    def prepare(self, data: tuple[DetectionSet, DetectionSet]) -> Proxy:
        """The proxy.

        Raises:
            ImportPathError: it cannot be made, or does not score this, or the other way round.
        """
        proxy = own_proxy(self.path, data)
        if self.score not in proxy.objectives:
            raise ImportPathError(f"{self.path}: {unknown('objective', self.score, proxy.objectives)}")
        if (better := proxy.objectives[self.score]) != self.direction:
            raise ImportPathError(f"{self.path}: of {self.score}, {better} is better: give direction {better!r}")
        return proxy


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
            from proxies.short_train import ShortTrain

            return ShortTrain.prepare(config, data, progress)
        case ZeroCostConfig():
            from proxies.zero_cost.proxy import ZeroCost

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
