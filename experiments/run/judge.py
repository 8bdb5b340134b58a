"""The proxy, the objectives and the budget of a search."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console

from experiments.errors import UsageError
from experiments.run.config import SearchConfig
from experiments.run.data import open_for
from experiments.run.directory import OBJECTIVES, RunDirectory
from nas.data.checks.images import ProgressCallback
from nas.search.types import Direction, Proxy
from proxies.budget import Budget, require_within
from proxies.config import Data
from search_spaces.registry import find_space


@dataclass(frozen=True)
class Judge:
    """How candidates are scored (proxy), compared (objectives) and admitted (budget)."""

    proxy: Proxy
    objectives: Mapping[str, Direction]
    budget: Budget


def build_judge(run: RunDirectory[SearchConfig], console: Console) -> Judge:
    """Build the judge of a run, with the data opened and decoded once for all trials.

    Raises:
        DataError: the data cannot be used.
        GenotypeError: the proxy's scale does not suit the space, or no member found in the space meets the limits.
        ImportPathError: the user's own proxy cannot be imported or built.
        UsageError: the user's own proxy does not have a configured objective, or the data has changed.
    """
    config = run.config
    settings = config.proxy

    def decode(data: Data, progress: ProgressCallback) -> tuple[Proxy, Budget]:
        budget = Budget(config.limits, settings, data[0].num_classes)
        proxy = settings.prepare(data, progress)
        for note in settings.notes(data[1]):
            console.print(f"{data[1].name}: note: {note}", soft_wrap=True)
        return proxy, budget

    proxy, budget = open_for(run, [settings], decode, console)
    require_within(find_space(config.space), budget, seed=config.seed)
    if not settings.objectives:
        run.write(OBJECTIVES, json.dumps(dict(proxy.objectives)))
    return Judge(proxy, objectives(run), budget)


def objectives(run: RunDirectory[SearchConfig]) -> Mapping[str, Direction]:
    """The run's objectives; the first one decides the winner.

    Raises:
        UsageError: the run stopped before the user's own proxy was built, or the proxy does not have an objective.
    """
    config = run.config
    if config.proxy.objectives:
        return config.chosen(config.proxy.offered) or config.proxy.objectives
    kept = run.path / OBJECTIVES
    if not kept.is_file():
        raise UsageError(f"{run.path} has not started, as it has no {OBJECTIVES}: `nas resume {run.path}` starts it")
    own: Mapping[str, Direction] = json.loads(kept.read_bytes())
    try:
        return config.chosen(own) or own
    except ValueError as error:
        raise UsageError(str(error)) from None
