"""`nas search [PRESET]`: launch a search."""

from collections.abc import Sequence

from rich.console import Console

from experiments.arguments import parse, split_positional
from experiments.config import SearchConfig
from experiments.presets import preset
from experiments.run_directory import RunDirectory
from experiments.searching import carry_on, prepare


def main(arguments: Sequence[str]) -> int:
    name, flags = split_positional(arguments)
    if name is None:
        own_data = any(flag.split("=")[0] == "--data" for flag in flags)
        name = "boxes" if own_data else "digits"
    config = parse(SearchConfig, "search [PRESET]", flags, preset(name))
    console = Console()
    proxy = prepare(config, console)  # before there is a directory: what cannot be searched leaves nothing behind
    return carry_on(RunDirectory.create(config, name), proxy, console)
