"""The flags of `nas search`: those of a search, of every proxy and of every strategy.

The flags of proxies and strategies come from their tables. Each proxy has its own prefix; strategies share one, as
they share settings.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, create_model
from tyro.conf import Suppress

from experiments.commands.arguments import parse
from experiments.errors import UsageError, faults
from experiments.run.config import SearchConfig, SearchOptions
from nas.search.strategies import BY_FIRST, STRATEGIES, StrategyConfig, all_settings
from proxies.config import ProxyConfig
from proxies.registry import DEFAULT, PROXIES
from search_spaces.importing import is_import_path
from search_spaces.naming import unknown

_ABOUT = """Search for a detector. The first argument may be a preset, whose values the flags change: digits (generated
scenes; the default), boxes (small data sets; the default with --data) or coco (COCO on GPUs; needs --data)."""
_BY = f"""The proxy that scores candidates: {", ".join(PROXIES)}, each configured by the flags of its name ({DEFAULT} by
--proxy.*); or your own as my_module:my_proxy, called with the training and the validation set."""
_STRATEGY = f"""{", ".join(STRATEGIES)}; or your own, my_module:MyStrategy, which is called with these settings and
a Task. {", ".join(BY_FIRST)} optimise the first objective, the others all."""


def parse_search(arguments: Sequence[str], start: SearchConfig) -> SearchConfig:
    """The search that flags describe, as changes to a preset.

    Raises:
        UsageError: there is no such proxy, a value is invalid, or a flag configures a proxy or strategy not in use.
    """
    proxies = {kind: _with_flags(_default(kind, start.proxy)) for kind in PROXIES}
    strategy = _strategy_flags(start.strategy)
    flags = create_model(
        "Search",
        __base__=SearchOptions,
        __doc__=_ABOUT,
        by=(str, Field(start.proxy.kind, description=_BY)),
        strategy=(type(strategy), strategy),
        **{_prefix(kind): (type(proxy), proxy) for kind, proxy in proxies.items()},  # type: ignore[call-overload]
    )
    options = SearchOptions.model_fields
    asked: Any = parse(flags, "search [PRESET]", arguments, flags(**{name: getattr(start, name) for name in options}))
    given = {kind: getattr(asked, _prefix(kind)) for kind in PROXIES}
    try:
        return SearchConfig(
            **{name: getattr(asked, name) for name in options},
            proxy=_proxy(asked.by, given, proxies),
            retraining=None if asked.by == DEFAULT else given[DEFAULT].model_dump(),
            strategy=_strategy(asked.strategy, strategy),
        )
    except ValidationError as error:
        raise UsageError(faults(error)) from None


def _prefix(kind: str) -> str:
    return "proxy" if kind == DEFAULT else kind


def _default(kind: str, start: ProxyConfig) -> ProxyConfig:
    return start if kind == start.kind else PROXIES[kind].in_search(start)


def _with_flags(proxy: ProxyConfig) -> ProxyConfig:
    """The settings as a class without a flag for `kind`."""
    base = type(proxy)
    kind: Any = (Annotated[Literal[proxy.kind], Suppress], proxy.kind)
    return create_model(base.__name__, __base__=base, __doc__=base.__doc__, kind=kind)(**dict(proxy))


def _proxy(by: str, given: Mapping[str, ProxyConfig], defaults: Mapping[str, ProxyConfig]) -> Any:
    """The settings of the proxy in use; a user's own takes its scale and image size from the default's flags.

    Raises:
        UsageError: there is no such proxy, or flags configure a built-in proxy that is not in use.
    """
    by = by if is_import_path(by) else by.replace("-", "_")  # as in the flags
    if is_import_path(by):
        return {
            "kind": "own",
            "path": by,
            **given[DEFAULT].model_dump(include=set(ProxyConfig.model_fields) - {"kind"}),
        }
    if by not in PROXIES:
        raise UsageError(f"--by: {unknown('proxy', by, PROXIES)}")
    for kind in PROXIES:
        if kind != by and given[kind] != defaults[kind]:
            idle, used = (f"--{_prefix(name).replace('_', '-')}.*" for name in (kind, by))
            raise UsageError(f"{idle} configures {kind}, which is not in use: with --by {by} give {used}")
    return given[by].model_dump()


def _strategy_flags(start: StrategyConfig) -> BaseModel:
    """The settings of all strategies, with the values of `start` where it has them."""
    values = start.model_dump()
    fields: dict[str, Any] = {"name": (str, Field(start.name, description=_STRATEGY))}
    for name, field in all_settings().items():
        described = "\n".join(f"{owner}: {STRATEGIES[owner].model_fields[name].description}" for owner in _owners(name))
        default = values.get(name, field.get_default())
        fields[name] = (field.rebuild_annotation(), Field(default, description=described))
    made: BaseModel = create_model("Strategy", __doc__="The strategy and its settings.", **fields)()
    return made


def _strategy(given: BaseModel, defaults: BaseModel) -> dict[str, Any]:
    """The settings of the strategy in use.

    Raises:
        UsageError: a flag configures another strategy.
    """
    values = given.model_dump()
    if (name := values["name"]) in STRATEGIES:
        for setting in all_settings():
            if setting not in STRATEGIES[name].model_fields and values[setting] != getattr(defaults, setting):
                flag = f"--strategy.{setting.replace('_', '-')}"
                raise UsageError(f"{flag} configures {' and '.join(_owners(setting))}, not {name}: leave it out")
    return values


def _owners(setting: str) -> Iterator[str]:
    """Names of the strategies that have a setting."""
    return (name for name, config in STRATEGIES.items() if setting in config.model_fields)
