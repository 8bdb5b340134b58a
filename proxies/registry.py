"""Built-in proxies by name, and users' own by import path."""

from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict, field_validator

from nas.data.detection_set import DetectionSet
from nas.search.types import Direction, Proxy
from proxies.config import ShortTrainConfig, ZeroCostConfig
from proxies.cost import CostConfig, CostProxy
from search_spaces.importing import ImportPathError, build_own, imported
from search_spaces.naming import unknown

BuiltIn = ShortTrainConfig | ZeroCostConfig | CostConfig
"""The settings of a built-in proxy."""
PROXIES = ("short_train", "zero_cost", "cost")
QUICK = ("zero_cost", "cost")
"""Proxies that score many candidates per second; run by default in a process pool."""


class OwnConfig(BaseModel):
    """A user's own proxy in a ranking, with the score it is compared by, declared before it is built.

    Attributes:
        path: import path, my_module:my_proxy.
        score: the objective that candidates are compared by.
        direction: max or min, as the proxy declares for this score.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    score: str
    direction: Direction = "max"

    @field_validator("path")
    @classmethod
    def _imports(cls, path: str) -> str:
        imported(path)
        return path

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """The score; see `ProxyConfig.objectives`."""
        return {self.score: self.direction}

    @property
    def signals(self) -> Mapping[str, Direction]:
        """The score; see `ProxyConfig.signals`."""
        return self.objectives

    def prepare(self, data: tuple[DetectionSet, DetectionSet]) -> Proxy:
        """Build the proxy.

        Raises:
            ImportPathError: it cannot be built, lacks the score, or has it in the other direction.
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
    """Build the proxy of these settings, with the data that it uses decoded.

    Args:
        progress: called with (images decoded, images in total), set by set.

    Raises:
        DataError: an image cannot be decoded, or there are too few images.
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
    """A user's own proxy: calls the function or class at an import path with the training and the validation set.

    Raises:
        ImportPathError: the path does not name a callable that takes these two and returns a proxy.
    """
    proxy: Proxy = build_own(path, *data, call="my_proxy(train, val)", needs=("objectives", "steps", "evaluate"))
    return proxy
