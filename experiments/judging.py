"""What judges a run's candidates, and by what they are ranked."""

import json
from collections.abc import Mapping
from functools import partial

from rich.console import Console

from experiments.config import SearchConfig
from experiments.errors import UsageError
from experiments.opening import open_for
from experiments.run_directory import RunDirectory
from nas.search.types import Direction, Proxy
from proxies import registry

OBJECTIVES = "objectives.json"
"""What a user's own proxy said its objectives are: it knows them once it is built, others by their settings."""


def prepare(run: RunDirectory[SearchConfig], console: Console) -> Proxy:
    """The run's proxy, with the data opened and decoded once for all trials.

    Raises:
        DataError: the data cannot be used.
        GenotypeError: the proxy's scale does not suit the space.
        ImportPathError: the import path of the user's own proxy leads to none.
    """
    config = run.config()
    if settings := config.built_in:
        return open_for(config, [settings], partial(registry.prepare, settings), console)
    own: Proxy = open_for(config, [], lambda data, _: registry.own_proxy(config.by, data), console)
    run.write(OBJECTIVES, json.dumps(dict(own.objectives)))
    return own


def objectives(run: RunDirectory[SearchConfig]) -> Mapping[str, Direction]:
    """What the run optimises.

    Raises:
        UsageError: the run was cut short before the user's own proxy could tell.
    """
    if settings := run.config().built_in:
        return settings.objectives
    kept = run.path / OBJECTIVES
    if not kept.is_file():
        raise UsageError(f"{run.path} has not begun, as it has no {OBJECTIVES}: `nas resume {run.path}` begins it")
    found: Mapping[str, Direction] = json.loads(kept.read_bytes())
    return found
