"""Strategies: they propose candidates from traces, keys and scores alone; one strategy a file.

The randomness of a proposal depends on the seed and the number of earlier proposals only. A strategy's state is
therefore that number and the trials it was told: replaying a store's history resumes the search.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import BeforeValidator, Discriminator, Tag, TypeAdapter
from pydantic.fields import FieldInfo

from nas.search.strategies.config import (
    ControllerConfig,
    GuidedConfig,
    Nsga2Config,
    OwnStrategyConfig,
    StrategyConfig,
    Task,
    TpeConfig,
)
from nas.search.strategies.evolution import EvolutionConfig, RegularizedEvolution
from nas.search.strategies.local_search import LocalConfig, LocalSearch
from nas.search.strategies.random_search import RandomConfig, RandomSearch
from search_spaces.importing import is_import_path
from search_spaces.naming import unknown

__all__ = [
    "BY_FIRST",
    "DEFAULT",
    "STRATEGIES",
    "AnyStrategy",
    "LocalSearch",
    "RandomSearch",
    "RegularizedEvolution",
    "StrategyConfig",
    "Task",
    "all_settings",
    "strategy_config",
]

STRATEGIES: Mapping[str, type[StrategyConfig]] = MappingProxyType(
    {
        "random": RandomConfig,
        "evolution": EvolutionConfig,
        "local": LocalConfig,
        "tpe": TpeConfig,
        "nsga2": Nsga2Config,
        "guided": GuidedConfig,
        "controller": ControllerConfig,
    }
)
"""Settings of the built-in strategies, by name."""
BY_FIRST = tuple(name for name, config in STRATEGIES.items() if config.by_first)
"""Strategies that optimise the first objective alone."""
DEFAULT = "guided"
_OWN = "own"


def all_settings() -> dict[str, FieldInfo]:
    """The settings of all strategies by name; strategies that share a name share its meaning."""
    fields: dict[str, FieldInfo] = {}
    for config in STRATEGIES.values():
        fields |= {name: field for name, field in config.model_fields.items() if name not in {"name", *fields}}
    return fields


def _of_its_strategy(document: Any) -> Any:
    """Settings as a document, without those of other strategies, which the command line and version 0.1 list too."""
    if not isinstance(document, Mapping):
        return document
    document = {"name": DEFAULT, **document}
    name, known = document["name"], all_settings()
    if not isinstance(name, str) or not (name in STRATEGIES or is_import_path(name)):
        raise ValueError(unknown("strategy", name, STRATEGIES))
    if name not in STRATEGIES:
        return {**{setting: field.get_default() for setting, field in known.items()}, **document}
    own = STRATEGIES[name].model_fields
    return {setting: value for setting, value in document.items() if setting in own or setting not in known}


def _tag(config: Any) -> str:
    name = config["name"] if isinstance(config, dict) else config.name
    return name if name in STRATEGIES else _OWN


if TYPE_CHECKING:
    AnyStrategy = StrategyConfig
else:
    _CONFIGS = {**STRATEGIES, _OWN: OwnStrategyConfig}
    _UNION = Union[*(Annotated[config, Tag(name)] for name, config in _CONFIGS.items())]
    AnyStrategy = Annotated[_UNION, Discriminator(_tag), BeforeValidator(_of_its_strategy)]
    """Settings of any strategy: a pydantic field that `name` discriminates."""

_READER: TypeAdapter[StrategyConfig] = TypeAdapter(AnyStrategy)


def strategy_config(name: str = DEFAULT, **settings: Any) -> StrategyConfig:
    """The settings of a strategy; those of other strategies are left out.

    Raises:
        ValidationError: there is no such strategy, or a setting is unknown or invalid.
        ImportPathError: the name is an import path that cannot be imported.
    """
    return _READER.validate_python({"name": name, **settings})
