"""Carrying a run on: from its directory to its winner."""

from collections.abc import Mapping, Sequence
from functools import partial

from rich.console import Console

from experiments.config import SearchConfig
from experiments.opening import open_for
from experiments.run_directory import RunDirectory
from experiments.running import build_runner, gpus_per_trial
from nas.inspect.leaderboard import leaderboard
from nas.inspect.live import LiveView
from nas.search.ranking import best
from nas.search.run_search import run_search
from nas.search.scheduler import SuccessiveHalving
from nas.search.strategies import build_strategy
from nas.search.types import Direction, Trial
from proxies.budget import Budget, require_within
from proxies.features import features
from proxies.predictor import Ensemble
from proxies.short_train import ShortTrain
from search_spaces.registry import SPACES
from search_spaces.within import Within


def carry_on(run: RunDirectory[SearchConfig], proxy: ShortTrain, console: Console) -> int:
    """Search, alone, until the run has its trials; a new run and an interrupted one differ in what its store holds.

    Returns:
        0, or 1 if no trial came to scores.

    Raises:
        UsageError: another process carries the run on.
        CannotRun: the runner has nowhere to run what is asked for.
    """
    with run.lock():
        return _search(run, proxy, console)


def _search(run: RunDirectory[SearchConfig], proxy: ShortTrain, console: Console) -> int:
    config = run.config()
    store = run.store()
    objectives = config.directions
    budget = Budget(config.limits, config.proxy, proxy.train.num_classes)
    strategy = build_strategy(
        config.strategy,
        Within(SPACES[config.space], budget, seed=config.seed),
        objectives,
        seed=config.seed,
        asked=store.asked,
        predictor=Ensemble(features),
    )
    for trial in store.history():
        strategy.tell(trial)
    known = store.trials()
    console.print(f"[bold]{run.path}[/bold]: {config.trials} trials of space {config.space!r} on {config.data}")
    try:
        with LiveView(console, trials=config.trials, steps=proxy.steps, objectives=objectives, resumed=known) as view:
            result = run_search(
                strategy=strategy,
                proxy=proxy,
                runner=build_runner(config, steps=proxy.steps),
                store=store,
                trials=config.trials,
                seed=config.seed,
                device="cuda" if gpus_per_trial(config) else "cpu",
                watch=view.watch,
                objectives=objectives,
                scheduler=SuccessiveHalving(config.scheduler, config.compared, proxy.steps),
                violation=budget,
            )
    finally:
        _conclude(run, store.trials(), objectives, console)
        if store.rejected:
            console.print(f"rejected {store.rejected} proposals, outside the limits or impossible to build")
    if result.exhausted:
        console.print("The strategy found nothing new to propose within the limits: the space is exhausted.")
    return 0 if result.best else 1


def prepare(config: SearchConfig, console: Console) -> ShortTrain:
    """Open and decode the data, once for all trials.

    Raises:
        DataError: the data cannot be used.
        GenotypeError: the proxy's scale does not suit the space, or nothing in the space keeps the limits.
    """
    proxy = open_for(config, [config.proxy], partial(ShortTrain.prepare, config.proxy), console)
    require_within(SPACES[config.space], Budget(config.limits, config.proxy, proxy.train.num_classes))
    return proxy


def _conclude(
    run: RunDirectory[SearchConfig], trials: Sequence[Trial], objectives: Mapping[str, Direction], console: Console
) -> None:
    """Keep the winner, and say what there is to see and to do next."""
    winner = best(trials, objectives)
    if winner is None:
        console.print(f"No trial has scores yet. `nas inspect {run.path}` tells why trials failed.")
        return
    run.write_best(winner)
    console.print(leaderboard(trials, objectives))
    console.print(f"winner   {run.path / 'best.json'} (trial {winner.number})")
    console.print(f"trials   {run.path / 'study.db'}")
    if any(not trial.state.ended for trial in trials):
        console.print(f"go on    nas resume {run.path}")
    console.print(f"inspect  nas inspect {run.path}" + (" --pareto front.svg" if len(objectives) > 1 else ""))
    console.print(f"draw     nas draw {run.path}")
    console.print(f"retrain  nas train {run.path} --epochs 30", highlight=False)
