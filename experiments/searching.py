"""Carrying a run on: from its directory to its winner."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

from rich.console import Console

from experiments.config import SearchConfig
from experiments.opening import open_for
from experiments.run_directory import RunDirectory
from experiments.running import build_runner, gpus_per_trial
from nas.inspect.leaderboard import leaderboard
from nas.inspect.live import LiveView
from nas.search.ranking import best
from nas.search.run_search import run_search
from nas.search.strategies import build_strategy
from nas.search.types import Candidate, Direction, Proxy, Trial
from proxies.features import Vector, features
from proxies.predictor import Ensemble
from proxies.short_train import ShortTrain
from search_spaces.genotype import Genotype
from search_spaces.registry import SPACES


def carry_on(run: RunDirectory[SearchConfig], proxy: Proxy, console: Console) -> int:
    """Search, alone, until the run has its trials; a new run and an interrupted one differ in what its store holds.

    Returns:
        0, or 1 if no trial came to scores.

    Raises:
        UsageError: another process carries the run on.
        CannotRun: the runner has nowhere to run what is asked for.
    """
    with run.lock():
        return _search(run, proxy, console)


def _search(run: RunDirectory[SearchConfig], proxy: Proxy, console: Console) -> int:
    config = run.config()
    store = run.store()
    space = SPACES[config.space]
    strategy = build_strategy(
        config.strategy,
        space,
        proxy.objectives,
        seed=config.seed,
        asked=store.asked,
        predictor=Ensemble(_features),
    )
    for trial in store.history():
        strategy.tell(trial)
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
    finally:
        _conclude(run, store.trials(), proxy.objectives, console)
    if result.exhausted:
        console.print("The strategy found nothing new to propose: the space is exhausted.")
    return 0 if result.best else 1


def prepare(config: SearchConfig, console: Console) -> ShortTrain:
    """Open and decode the data, once for all trials.

    Raises:
        DataError: the data cannot be used.
        GenotypeError: the proxy's scale does not suit the space.
    """
    return open_for(config, [config.proxy], partial(ShortTrain.prepare, config.proxy), console)


def _features(member: Candidate) -> Vector:
    return features(cast(Genotype, member.value))


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
    console.print(f"inspect  nas inspect {run.path}")
    console.print(f"draw     nas draw {run.path}")
    console.print(f"retrain  nas train {run.path} --epochs 30", highlight=False)
