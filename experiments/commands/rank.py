"""`nas rank [RANKING]`: measure how well each proxy ranks candidates."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from tyro.conf import Positional

from experiments.commands.arguments import parse, split_positional
from experiments.errors import UsageError
from experiments.rank.config import RankConfig, RankOptions
from experiments.rank.plans import default_plan, read_plan
from experiments.rank.report import report
from experiments.rank.run import carry_on, open_proxies
from experiments.run.directory import RunDirectory
from experiments.run.presets import short_training
from nas.inspect.console import open_console
from search_spaces.errors import FusionNasError


class New(RankOptions):
    """Score random candidates by a long reference training and by each proxy, and report the rank correlation of each
    proxy with the reference. `nas rank RANKING` continues an interrupted ranking; with --report it reports it.
    """

    plan: Path | None = None
    """JSON file with the proxies to compare; if omitted, variants of the search's proxy, shorter and smaller."""


@dataclass(frozen=True)
class Old:
    """Continue an interrupted ranking, or report it."""

    ranking: Positional[Path]
    """Directory of the ranking."""
    report: bool = False
    """Only report the scores so far and measure nothing; works while another process measures."""
    require_tau: float | None = None
    """Kendall's tau that the cheapest proxy must reach; if omitted, the value given at the start."""


def main(arguments: Sequence[str]) -> int:
    console = open_console()
    name, flags = split_positional(arguments)
    if name is None:
        _start(parse(New, "rank", flags), console)
        return 0
    asked = parse(Old, "rank", arguments)
    if asked.require_tau is not None and not -1 <= asked.require_tau <= 1:
        raise UsageError(f"--require-tau {asked.require_tau}: Kendall's tau is between -1 and 1: give such a number")
    run = RunDirectory.open(asked.ranking, RankConfig)
    if asked.report:
        report(run, asked.require_tau, console)
    else:
        carry_on(run, open_proxies(run, console), asked.require_tau, console)
    return 0


def _start(asked: New, console: Console) -> None:
    base = short_training(asked.data)
    plan = read_plan(asked.plan, base) if asked.plan else default_plan(base)
    options = {name: getattr(asked, name) for name in RankOptions.model_fields}
    run = RunDirectory.create(RankConfig(**options, plan=plan), "rank")
    try:
        proxies = open_proxies(run, console)
    except FusionNasError:
        run.discard()
        raise
    carry_on(run, proxies, None, console)
