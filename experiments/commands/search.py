"""`nas search [PRESET]`: start a search."""

from collections.abc import Sequence
from pathlib import Path

from experiments.commands.arguments import split_positional
from experiments.commands.search_flags import parse_search
from experiments.errors import UsageError
from experiments.run.directory import RunDirectory
from experiments.run.judge import build_judge
from experiments.run.presets import COCO, preset
from experiments.run.search import announce, carry_on, join
from nas.inspect.console import open_console
from search_spaces.errors import FusionNasError


def main(arguments: Sequence[str]) -> int:
    name, flags = split_positional(arguments)
    if name is None:
        own_data = any(flag.split("=")[0] == "--data" for flag in flags)  # decides the defaults of all other flags
        name = "boxes" if own_data else "digits"
    config = parse_search(flags, preset(name))
    if config.data == COCO and not Path(COCO).is_dir():
        raise UsageError(f"there is no directory {COCO}: give the directory of COCO by --data")
    console = open_console()
    run = RunDirectory.create(config, name)  # first, so that a search killed from here on can be resumed
    try:
        judge = build_judge(run, console)
        store = join(run)
    except FusionNasError:
        run.discard()
        raise
    announce(run, console)
    return carry_on(run, store, judge, console)
