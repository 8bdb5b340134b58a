"""`nas search [PRESET]`: start a search."""

from collections.abc import Sequence

from experiments.commands.arguments import parse, split_positional
from experiments.errors import UsageError
from experiments.run.config import SETTINGS, SearchConfig
from experiments.run.directory import RunDirectory
from experiments.run.judge import prepare
from experiments.run.presets import preset
from experiments.run.search import carry_on, join
from nas.inspect.console import open_console
from search_spaces.errors import FusionNasError


def main(arguments: Sequence[str]) -> int:
    name, flags = split_positional(arguments)
    if name is None:
        own_data = any(flag.split("=")[0] == "--data" for flag in flags)
        name = "boxes" if own_data else "digits"
    start = preset(name)
    config = parse(SearchConfig, "search [PRESET]", flags, start)
    _refuse_idle(config, start)
    console = open_console()
    run = RunDirectory.create(config, name)  # first, so that a search killed from here on can be resumed
    try:
        judge = prepare(run, console)
        store = join(run)
    except FusionNasError:
        run.discard()
        raise
    return carry_on(run, store, judge, console)


def _refuse_idle(config: SearchConfig, start: SearchConfig) -> None:
    """Refuse flags of a built-in proxy that is not in use; a user's own proxy may read any of them."""
    for name, field in SETTINGS.items():
        if config.built_in and name != config.by and getattr(config, field) != getattr(start, field):
            fields = [f"--{SETTINGS[by].replace('_', '-')}.*" for by in (name, config.by)]
            raise UsageError(
                f"{fields[0]} configures {name}, which is not in use: with --by {config.by} give {fields[1]}"
            )
