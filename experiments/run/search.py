"""Start or resume a search: from its directory to its winner."""

import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from experiments.run.config import SearchConfig
from experiments.run.directory import FINGERPRINT, RunDirectory
from experiments.run.judge import Judge
from experiments.run.runner import build_runner, gpus_per_trial
from nas.inspect.leaderboard import leaderboard
from nas.inspect.live import LiveView
from nas.search.objectives import best
from nas.search.search import Search
from nas.search.search_loop import MOST_REPEATS
from nas.search.store import Store, StoreError
from nas.search.store.study import CONTENTS
from nas.search.strategies import BY_FIRST, STRATEGIES
from nas.search.types import Direction, State
from proxies.predictor.ensemble import Ensemble
from proxies.predictor.features import proposal_features
from search_spaces.importing import ImportPathError
from search_spaces.registry import find_space


def announce(run: RunDirectory[SearchConfig], console: Console) -> None:
    """Print what is searched: the first line of a command, as opening the data takes seconds."""
    config = run.config
    what = f": {config.trials} trials of space {config.space!r} on {config.data}"
    console.print(Text.assemble((str(run.path), "bold"), what), soft_wrap=True)


def carry_on(run: RunDirectory[SearchConfig], store: Store, judge: Judge, console: Console) -> int:
    """Search until the study has all its trials; resuming differs from starting only in the contents of the store.

    Args:
        store: the run's store, from `join`.

    Returns:
        The exit status: 0, or 1 if no trial has scores.

    Raises:
        UsageError: another process holds the run's lock.
        CannotRun: the runner does not have the resources asked for.
        StoreError: the store is damaged, full, or unreachable for too long.
    """
    with run.lock():
        return _search(run, store, judge, console)


def _search(run: RunDirectory[SearchConfig], store: Store, judge: Judge, console: Console) -> int:
    config = run.config
    proxy, objectives = judge.proxy, judge.objectives
    known = store.trials()
    if len(config.objectives) > 1 and config.strategy.by_first:
        by_all = sorted({*STRATEGIES} - {"random", *BY_FIRST})
        console.print(
            f"{config.strategy.name} searches by {config.objectives[0]} alone; {' and '.join(by_all)} search by all."
        )
    try:
        with LiveView(console, trials=config.trials, steps=proxy.steps, objectives=objectives, resumed=known) as view:
            search = Search(
                space=find_space(config.space),
                proxy=proxy,
                store=store,
                trials=config.trials,
                strategy=config.strategy,
                scheduler=config.scheduler,
                runner=build_runner(config, steps=proxy.steps),
                objectives=objectives if config.objectives else None,
                violation=judge.budget,
                predictor=Ensemble(proposal_features),
                seed=config.seed,
                device="cuda" if gpus_per_trial(config) else "cpu",
                watch=view.watch,
            )
            result = search.run()
    except StoreError:
        console.print(f"resume   nas resume {run.path}", soft_wrap=True)
        raise  # the store cannot be read for the summary
    except BaseException:
        _conclude(run, store, objectives, console)
        raise
    scored = _conclude(run, store, objectives, console)
    if result.exhausted:
        console.print(
            f"The strategy has converged, and none of {MOST_REPEATS} random draws was new: "
            "the space within the limits is exhausted, or nearly."
        )
    return 0 if scored else 1


def join(run: RunDirectory[SearchConfig]) -> Store:
    """Open the run's store and join its study as a driver.

    Raises:
        StoreError: the store cannot be opened, or the study belongs to another search.
    """
    store = run.store()
    contents = json.loads((run.path / FINGERPRINT).read_bytes())
    store.join(run.driver(), {**run.config.agreed(), CONTENTS: contents}, _migrated)
    return store


def _migrated(kept: dict[str, Any]) -> dict[str, Any]:
    """What a study keeps of its configuration, in the present form; unchanged if this machine cannot read it."""
    contents = {CONTENTS: kept.pop(CONTENTS)} if CONTENTS in kept else {}
    with suppress(ValidationError, ImportPathError):
        kept = SearchConfig.model_validate(kept).agreed()
    return kept | contents


def _conclude(
    run: RunDirectory[SearchConfig], store: Store, objectives: Mapping[str, Direction], console: Console
) -> bool:
    """Write the winner, and print the leaderboard and the next commands; False without a winner."""
    trials, path = store.trials(), shlex.quote(str(run.path))
    if store.rejected:
        console.print(f"rejected {store.rejected} proposals, outside the limits or impossible to build")
    winner = best(trials, objectives)
    if winner is None:
        failed = any(trial.state is State.failed for trial in trials)
        hint = f"`nas inspect {path}` shows why trials failed" if failed else f"`nas resume {path}` continues"
        console.print(f"No trial has scores yet. {hint}.", soft_wrap=True)
        return False
    run.write_best(winner)
    console.print(leaderboard(trials, objectives))
    lines = [f"winner   {run.path / 'best.json'} (trial {winner.number})", f"trials   {store.place}"]
    if any(not trial.state.ended for trial in trials):
        lines.append(f"resume   nas resume {path}")
    lines.append(f"inspect  nas inspect {path}" + (" --pareto front.svg" if len(objectives) > 1 else ""))
    lines += [f"draw     nas draw {path}", f"retrain  nas train {path} --epochs 30"]
    console.print("\n".join(lines), soft_wrap=True)
    return True
