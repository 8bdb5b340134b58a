"""Carrying a run on: from its directory to its winner."""

from collections.abc import Mapping
from functools import partial

from rich.console import Console

from experiments.config import SearchConfig
from experiments.opening import open_for
from experiments.run_directory import RunDirectory
from experiments.running import build_runner, gpus_per_trial
from nas.inspect.leaderboard import leaderboard
from nas.inspect.live import LiveView
from nas.search.ranking import best
from nas.search.run_search import driver_seed, run_search
from nas.search.store import Store, StoreError
from nas.search.strategies import build_strategy
from nas.search.types import Direction, Proxy
from proxies.features import features
from proxies.predictor import Ensemble
from proxies.short_train import ShortTrain
from search_spaces.registry import SPACES


def carry_on(run: RunDirectory[SearchConfig], store: Store, proxy: Proxy, console: Console) -> int:
    """Search until the study has its trials; a new run and an interrupted one differ in what its store holds.

    Args:
        store: the run's, of `join`.

    Returns:
        0, or 1 if no trial came to scores.

    Raises:
        UsageError: another process carries the run on.
        CannotRun: the runner has nowhere to run what is asked for.
        StoreError: the store is damaged, full, or away for too long.
    """
    with run.lock():
        return _search(run, store, proxy, console)


def _search(run: RunDirectory[SearchConfig], store: Store, proxy: Proxy, console: Console) -> int:
    config = run.config()
    space = SPACES[config.space]
    strategy = build_strategy(
        config.strategy,
        space,
        proxy.objectives,
        seed=driver_seed(config.seed, store.slot),
        asked=store.asked,
        predictor=Ensemble(features),
    )
    known = store.trials()
    console.print(f"[bold]{run.path}[/bold]: {config.trials} trials of space {config.space!r} on {config.data}")
    if config.runner == "local" and config.early_stopping:
        console.print("The local runner trains every trial in full: only Ray stops hopeless ones early.")
    try:
        with LiveView(
            console, trials=config.trials, steps=proxy.steps, objectives=proxy.objectives, resumed=known
        ) as view:
            result = run_search(
                strategy=strategy,
                proxy=proxy,
                runner=build_runner(
                    config,
                    objective=next(iter(proxy.objectives.items())),
                    steps=proxy.steps,
                    scheduler=config.asha if config.early_stopping else None,
                    known=known,
                ),
                store=store,
                trials=config.trials,
                seed=config.seed,
                device="cuda" if gpus_per_trial(config) else "cpu",
                watch=view.watch,
            )
    except StoreError:
        console.print(f"go on    nas resume {run.path}")
        raise  # it cannot be asked what there is
    except BaseException:
        _conclude(run, store, proxy.objectives, console)
        raise
    _conclude(run, store, proxy.objectives, console)
    if result.exhausted:
        console.print("The strategy found nothing new to propose: the space is exhausted.")
    return 0 if result.best else 1


def join(run: RunDirectory[SearchConfig]) -> Store:
    """The run's study, of which it is a driver from now on.

    Raises:
        StoreError: it cannot be opened, or is another search.
    """
    store = run.store()
    store.join(run.driver(), run.config().agreed())
    return store


def prepare(config: SearchConfig, console: Console) -> ShortTrain:
    """Open and decode the data, once for all trials.

    Raises:
        DataError: the data cannot be used.
        GenotypeError: the proxy's scale does not suit the space.
    """
    return open_for(config, [config.proxy], partial(ShortTrain.prepare, config.proxy), console)


def _conclude(
    run: RunDirectory[SearchConfig], store: Store, objectives: Mapping[str, Direction], console: Console
) -> None:
    """Keep the winner, and say what there is to see and to do next."""
    trials = store.trials()
    winner = best(trials, objectives)
    if winner is None:
        console.print(f"No trial has scores yet. `nas inspect {run.path}` tells why trials failed.")
        return
    run.write_best(winner)
    console.print(leaderboard(trials, objectives))
    console.print(f"winner   {run.path / 'best.json'} (trial {winner.number})")
    console.print(f"trials   {store.place}")
    if any(not trial.state.ended for trial in trials):
        console.print(f"go on    nas resume {run.path}")
    console.print(f"inspect  nas inspect {run.path}")
    console.print(f"draw     nas draw {run.path}")
    console.print(f"retrain  nas train {run.path} --epochs 30", highlight=False)
