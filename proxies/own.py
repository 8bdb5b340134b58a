"""A user's own proxy, by import path."""

from collections.abc import Mapping
from typing import Literal

from pydantic import field_validator

from nas.data.checks.images import ProgressCallback
from nas.search.types import Direction, Proxy
from proxies.config import Data, Decoded, ProxyConfig
from search_spaces.importing import ImportPathError, build_own, imported
from search_spaces.naming import unknown


class OwnConfig(ProxyConfig):
    """A user's own proxy, which scores candidates at any size; limits apply to their cost at this one.

    Attributes:
        path: import path, my_module:my_proxy.
        score: the objective that a ranking compares candidates by, declared before the proxy is built; None in a
            search, which takes the proxy's objectives.
        direction: max or min, as the proxy declares for this score.
    """

    decodes = False

    kind: Literal["own"] = "own"
    path: str
    score: str | None = None
    direction: Direction = "max"

    @field_validator("path")
    @classmethod
    def _imports(cls, path: str) -> str:
        imported(path)
        return path

    @property
    def objectives(self) -> Mapping[str, Direction]:
        """The score; empty in a search, where the objectives are known once the proxy is built."""
        return {self.score: self.direction} if self.score else {}

    @property
    def signals(self) -> Mapping[str, Direction]:
        return self.objectives

    def prepare(self, data: Data, progress: ProgressCallback | None = None, decoded: Decoded | None = None) -> Proxy:
        proxy = own_proxy(self.path, data)
        if self.score is None:
            return proxy
        if self.score not in proxy.objectives:
            raise ImportPathError(f"{self.path}: {unknown('objective', self.score, proxy.objectives)}")
        if (better := proxy.objectives[self.score]) != self.direction:
            raise ImportPathError(f"{self.path}: of {self.score}, {better} is better: give direction {better!r}")
        return proxy


def own_proxy(path: str, data: Data) -> Proxy:
    """A user's own proxy: calls the function or class at an import path with the training and the validation set.

    Raises:
        ImportPathError: the path does not name a callable that takes these two and returns a proxy.
    """
    proxy: Proxy = build_own(path, *data, call="my_proxy(train, val)", needs=("objectives", "steps", "evaluate"))
    return proxy
