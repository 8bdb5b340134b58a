"""How many evaluations strategies need to find the best of a table: the code of `nas bench strategies`."""

import multiprocessing
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from statistics import fmean, quantiles, stdev

from experiments.tabular.table import Table
from nas.search.search_loop import MOST_REPEATS
from nas.search.strategies import Task, strategy_config
from nas.search.types import Direction, State, Trial

OBJECTIVES: Mapping[str, Direction] = {"accuracy": "max"}
CLOSE = 0.1
"""A strategy has found the best once its accuracy is within this many points of the table's best."""
MOST = 5000
"""Maximum number of evaluations of a run."""
BUDGETS = (100, 200)
"""Numbers of evaluations after which the regret of noisy runs is measured."""
PROCESSES = 2
POPULATION = 50
"""Population of NSGA-II, as in the published results; the default suits searches of a few dozen trials."""


@dataclass(frozen=True)
class Speed:
    """Evaluations that a strategy needed to come close to the best, over seeds.

    Attributes:
        quartiles: lower quartile, median and upper quartile; a run that did not come close counts as `MOST`.
        missed: number of runs that did not come close.
    """

    strategy: str
    quartiles: tuple[float, ...]
    missed: int


@dataclass(frozen=True)
class Regret:
    """The true regret of the trial with the best noisy score, in points, over seeds.

    Attributes:
        means: mean regret after each of `BUDGETS` evaluations.
        errors: their standard errors.
    """

    strategy: str
    means: tuple[float, ...]
    errors: tuple[float, ...]


def evaluations(table: Table, strategy: str, seed: int, *, noise: float = 0.0) -> Iterator[tuple[float, float]]:
    """Yield the true accuracy and the score of every evaluated key, until the strategy has converged.

    As in a search, a repeated key is not evaluated again.

    Args:
        noise: standard deviation of the noise added to the accuracy, drawn once per key and seed.
    """
    config = strategy_config(strategy)
    if strategy == "nsga2":
        config = config.model_copy(update={"population": POPULATION})
    searching = config.build(Task(table, OBJECTIVES, seed=seed))
    known: dict[str, Trial] = {}
    repeats = 0
    while repeats < MOST_REPEATS:
        proposal = searching.ask()
        key, trace = proposal.key, proposal.trace
        repeats = repeats + 1 if key in known else 0
        if key not in known:
            accuracy = table.accuracy[key]
            score = accuracy + noise * random.Random(f"{seed}/{key}").gauss()
            json = proposal.value.to_json()
            known[key] = Trial(len(known), State.finished, key, trace, json, seed, ({"accuracy": score},))
            yield accuracy, score
        searching.tell(replace(known[key], trace=trace))


def needed(table: Table, strategy: str, seed: int) -> tuple[int, bool]:
    """The number of evaluations, and whether the best accuracy came within `CLOSE`."""
    for count, (accuracy, _) in enumerate(islice(evaluations(table, strategy, seed), MOST), start=1):
        if accuracy >= table.best - CLOSE:
            return count, True
    return MOST, False


def regrets(table: Table, strategy: str, seed: int, *, noise: float) -> tuple[float, ...]:
    """The true regret of the best-scored evaluation, after each of `BUDGETS`."""
    seen = list(islice(evaluations(table, strategy, seed, noise=noise), max(BUDGETS)))
    winners = (max(seen[:budget], key=lambda evaluation: evaluation[1]) for budget in BUDGETS)
    return tuple(table.best - accuracy for accuracy, _ in winners)


def compare(table: Table, strategies: Sequence[str], seeds: int, *, noise: float) -> tuple[list[Speed], list[Regret]]:
    """Run both benchmarks for every strategy, over seeds from 0, in two processes."""
    pairs = [(name, seed) for name in strategies for seed in range(seeds)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(PROCESSES, len(pairs)), mp_context=spawn) as pool:
        clean = pool.map(partial(needed, table), *zip(*pairs, strict=True))
        noisy = pool.map(partial(regrets, table, noise=noise), *zip(*pairs, strict=True))
        return (
            [_speed(name, list(islice(clean, seeds))) for name in strategies],
            [_regret(name, list(islice(noisy, seeds))) for name in strategies],
        )


def _speed(strategy: str, runs: Sequence[tuple[int, bool]]) -> Speed:
    return Speed(
        strategy,
        tuple(quantiles([count for count, _ in runs], n=4, method="inclusive")),
        sum(not close for _, close in runs),
    )


def _regret(strategy: str, runs: Sequence[tuple[float, ...]]) -> Regret:
    columns = list(zip(*runs, strict=True))
    return Regret(strategy, tuple(map(fmean, columns)), tuple(stdev(column) / len(runs) ** 0.5 for column in columns))
