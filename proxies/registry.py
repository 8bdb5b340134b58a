"""The proxies: a row adds one to searches, rankings, flags, help texts and contract tests."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from proxies.config import ProxyConfig, ShortTrainConfig, ZeroCostConfig
from proxies.cost import CostConfig
from proxies.own import OwnConfig

PROXIES: Mapping[str, type[ProxyConfig]] = MappingProxyType(
    {
        "short_train": ShortTrainConfig,
        "zero_cost": ZeroCostConfig,
        "cost": CostConfig,
    }
)
"""Settings of the built-in proxies, by kind; the first is the default of a search."""
DEFAULT = next(iter(PROXIES))

if TYPE_CHECKING:
    AnyProxy = ProxyConfig
else:
    AnyProxy = Annotated[Union[*PROXIES.values(), OwnConfig], Field(discriminator="kind")]
    """Settings of any proxy: a pydantic field that `kind` discriminates."""
