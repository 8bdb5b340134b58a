"""`nas check MODULE:NAME`: test a user's space, strategy or proxy against the contract of the built-in ones."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

from rich.text import Text
from tyro.conf import Positional

from experiments.commands.arguments import parse
from experiments.contracts.contract import Outcome, outcomes
from experiments.contracts.proxies import PROXY
from experiments.contracts.spaces import GENOTYPES, KEYED, NAMED
from experiments.contracts.strategies import STRATEGY, task
from experiments.errors import UsageError
from nas.data.digits.scenes import DigitsConfig, digits
from nas.inspect.console import open_console
from nas.search.strategies import strategy_config
from proxies.own import own_proxy
from search_spaces.choose import SearchSpace, first_choice
from search_spaces.genotype import Genotype
from search_spaces.importing import imported
from search_spaces.registry import own_space

Kind = Literal["space", "strategy", "proxy"]
_METHODS: dict[str, Kind] = {"build": "space", "ask": "strategy", "evaluate": "proxy"}
_DATA = DigitsConfig(train_images=32, val_images=8)
"""Data on which a proxy is tested."""


@dataclass(frozen=True)
class Arguments:
    """Test your own space, strategy or proxy against the contract of the built-in ones; exit code 1 if a test fails."""

    name: Positional[str]
    """Import path of the object to test, such as my_module:MySpace."""
    kind: Kind | None = None
    """Kind of the object, inferred if omitted; required for a function without a return annotation."""


def main(arguments: Sequence[str]) -> int:
    asked = parse(Arguments, "check", arguments)
    console = open_console(soft_wrap=True)
    kind = asked.kind or _kind(asked.name)
    console.print(Text.assemble((asked.name, "bold"), f", a {kind}"))
    broken = 0
    for outcome in _CHECKS[kind](asked.name):
        broken += outcome.fault is not None
        console.print(_line(outcome))
    return 1 if broken else 0


def _line(outcome: Outcome) -> Text:
    if outcome.fault is None:
        return Text.assemble(("held", "green"), f"    {outcome.promise}")
    return Text.assemble(("broken", "bold red"), f"  {outcome.promise}: {outcome.fault}")


def _kind(path: str) -> Kind:
    """Infer the kind from the methods of the object, or of a function's return annotation.

    Raises:
        UsageError: no method identifies the kind.
    """
    found = imported(path)
    made = _returned(found) if inspect.isroutine(found) else found
    for method, kind in _METHODS.items():
        if callable(getattr(made, method, None)):
            return kind
    raise UsageError(f"{path}: cannot infer its kind from its methods: give --kind space, strategy or proxy")


def _returned(function: Callable[..., object]) -> object:
    try:
        return get_type_hints(function).get("return")
    except NameError:  # an annotation that is imported under TYPE_CHECKING only
        return None


def _space(path: str) -> Iterator[Outcome]:
    space = own_space(path)
    yield from outcomes(KEYED, space)
    yield from outcomes(NAMED, path)
    if _makes_genotypes(space):
        yield from outcomes(GENOTYPES, space)


def _makes_genotypes(space: SearchSpace[Any]) -> bool:
    try:
        return isinstance(space.build(first_choice), Genotype)
    except Exception:  # KEYED reports this failure
        return False


def _strategy(path: str) -> Iterator[Outcome]:
    config = strategy_config(path)
    config.build(task())
    return outcomes(STRATEGY, config.build)


def _proxy(path: str) -> Iterator[Outcome]:
    return outcomes(PROXY, own_proxy(path, digits(_DATA)))


_CHECKS = {"space": _space, "strategy": _strategy, "proxy": _proxy}
