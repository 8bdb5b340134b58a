"""What judges a run's candidates, and by what they are ranked."""

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
    """What decides about a run's candidates: how each is scored, what the best is, and which may be tried at all."""

    proxy: Proxy
    objectives: Mapping[str, Direction]
    budget: Budget


def prepare(run: RunDirectory[SearchConfig], console: Console) -> Judge:
    """The run's judge, with the data opened and decoded once for all trials.

    Raises:
        DataError: the data cannot be used.
        GenotypeError: the proxy's scale does not suit the space, or nothing in the space keeps the limits.
        ImportPathError: the import path of the user's own proxy leads to none.
        UsageError: the user's own proxy does not score what is to be optimised, or the data has changed.
    """
    config = run.config()
    settings = config.built_in

    def decode(data: tuple[DetectionSet, DetectionSet], progress: Callable[[int, int], None]) -> tuple[Proxy, Budget]:
        budget = Budget(config.limits, config.size, data[0].num_classes)
        proxy = registry.prepare(settings, data, progress) if settings else registry.own_proxy(config.by, data)
        _say_what_scores(settings, data[1], console)
        return proxy, budget

    proxy, budget = open_for(run, [settings] if settings else [], decode, console)
    require_within(find_space(config.space), budget, seed=config.seed)
    if not settings:
        run.write(OBJECTIVES, json.dumps(dict(proxy.objectives)))
    return Judge(proxy, objectives(run), budget)


def _say_what_scores(settings: registry.BuiltIn | None, val: DetectionSet, console: Console) -> None:
    if isinstance(settings, ShortTrainConfig) and settings.val_images < len(val) and not val.shuffled:
        shown = f"{settings.val_images} of its {len(val)} images, drawn from the whole set, score every candidate"
        console.print(f"{val.name}: note: {shown}; --proxy.val-images {len(val)} takes all", soft_wrap=True)


def objectives(run: RunDirectory[SearchConfig]) -> Mapping[str, Direction]:
    """What the run optimises, the first before all.

    Raises:
        UsageError: the run was cut short before the user's own proxy could tell, or that does not score it.
    """
    config = run.config()
    if settings := config.built_in:
        return config.chosen(settings.offered) or settings.objectives
    kept = run.path / OBJECTIVES
    if not kept.is_file():
        raise UsageError(f"{run.path} has not begun, as it has no {OBJECTIVES}: `nas resume {run.path}` begins it")
    own: Mapping[str, Direction] = json.loads(kept.read_bytes())
    try:
        return config.chosen(own) or own
    except ValueError as error:
        raise UsageError(str(error)) from None
