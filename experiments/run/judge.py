"""The proxy, the objectives and the budget of a search."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console

from experiments.errors import UsageError
from experiments.run.config import SearchConfig
from experiments.run.data import open_for
from experiments.run.directory import OBJECTIVES, RunDirectory
from nas.data.detection_set import DetectionSet
from nas.search.types import Direction, Proxy
from proxies import registry
from proxies.budget import Budget, require_within
from proxies.config import ShortTrainConfig
from search_spaces.registry import find_space


@dataclass(frozen=True)
class Judge:
    """How candidates are scored (proxy), compared (objectives) and admitted (budget)."""

    proxy: Proxy
    objectives: Mapping[str, Direction]
    budget: Budget


def prepare(run: RunDirectory[SearchConfig], console: Console) -> Judge:
    """Build the judge of a run, with the data opened and decoded once for all trials.

    Raises:
        DataError: the data cannot be used.
        GenotypeError: the proxy's scale does not suit the space, or no member found in the space meets the limits.
        ImportPathError: the user's own proxy cannot be imported or built.
        UsageError: the user's own proxy does not have a configured objective, or the data has changed.
    """
    config = run.config()
    settings = config.built_in

    def decode(data: tuple[DetectionSet, DetectionSet], progress: Callable[[int, int], None]) -> tuple[Proxy, Budget]:
        budget = Budget(config.limits, config.size, data[0].num_classes)
        proxy = registry.prepare(settings, data, progress) if settings else registry.own_proxy(config.by, data)
        _report_val_images(settings, data[1], console)
        return proxy, budget

    proxy, budget = open_for(run, [settings] if settings else [], decode, console)
    require_within(find_space(config.space), budget, seed=config.seed)
    if not settings:
        run.write(OBJECTIVES, json.dumps(dict(proxy.objectives)))
    return Judge(proxy, objectives(run), budget)


def _report_val_images(settings: registry.BuiltIn | None, val: DetectionSet, console: Console) -> None:
    if isinstance(settings, ShortTrainConfig) and settings.val_images < len(val) and not val.shuffled:
        used = f"every candidate is scored on the same {settings.val_images} of its {len(val)} images, drawn at random"
        console.print(f"{val.name}: note: {used}; --proxy.val-images {len(val)} uses all", soft_wrap=True)


def objectives(run: RunDirectory[SearchConfig]) -> Mapping[str, Direction]:
    """The run's objectives, the first of which decides the winner.

    Raises:
        UsageError: the run stopped before the user's own proxy was built, or the proxy does not have an objective.
    """
    config = run.config()
    if settings := config.built_in:
        return config.chosen(settings.offered) or settings.objectives
    kept = run.path / OBJECTIVES
    if not kept.is_file():
        raise UsageError(f"{run.path} has not started, as it has no {OBJECTIVES}: `nas resume {run.path}` starts it")
    own: Mapping[str, Direction] = json.loads(kept.read_bytes())
    try:
        return config.chosen(own) or own
    except ValueError as error:
        raise UsageError(str(error)) from None
