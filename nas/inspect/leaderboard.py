"""The result of a search: a table of its best trials, and a JSON document."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from nas.inspect.words import duration, format_score
from nas.search.objectives import best, objective_vector, pareto_front
from nas.search.types import Direction, State, Trial

_KEY_DIGITS = 8
_MOST_METRICS = 2
"""Scores shown in addition to the objectives."""


def leaderboard(trials: Sequence[Trial], objectives: Mapping[str, Direction], top: int = 10) -> Table:
    """The best trials by the first objective: finished ones first, then those stopped early."""
    front = set(pareto_front(trials, objectives))
    shown = _ranked(trials, objectives)[:top]
    names = [*objectives, *_metrics(shown, objectives)]
    table = Table(caption=Text(_caption(trials, len(front)), justify="left"), caption_justify="left", box=None)
    for name in ("rank", "", "trial", "state", *names, "time", "key"):
        table.add_column(Text(name), justify="left" if name in ("", "state", "key") else "right", no_wrap=True)
    for rank, trial in enumerate(shown, 1):
        table.add_row(*_row(rank, trial, names, star=trial.number in front), style="bold" if rank == 1 else "")
    return table


def front_table(trials: Sequence[Trial], objectives: Mapping[str, Direction]) -> Table:
    """The Pareto front by all objectives, sorted by the first one."""
    numbered = {trial.number: trial for trial in trials}
    front = [numbered[number] for number in pareto_front(trials, objectives)]
    table = Table(box=None)
    for name in ("trial", *objectives, "key"):
        table.add_column(name, justify="left" if name == "key" else "right", no_wrap=True)
    for trial in front:
        scores = trial.scores or {}
        cells = [str(trial.number), *(format_score(scores[name]) for name in objectives), trial.key[:_KEY_DIGITS]]
        table.add_row(*map(Text, cells))
    return table


def _ranked(trials: Iterable[Trial], objectives: Mapping[str, Direction]) -> list[Trial]:
    """Scored trials, best first; ties go to the earlier one."""
    order: list[tuple[bool, float, int, Trial]] = []
    for trial in trials:
        values = objective_vector(trial, objectives)
        if values and trial.state in (State.finished, State.stopped):
            order.append((trial.state is State.stopped, -values[0], trial.number, trial))
    return [trial for *_, trial in sorted(order, key=lambda entry: entry[:3])]


def _metrics(trials: Iterable[Trial], objectives: Mapping[str, Direction]) -> list[str]:
    """Names of the first few scores other than objectives."""
    names = dict.fromkeys(name for trial in trials for name in trial.scores or {} if name not in objectives)
    return list(names)[:_MOST_METRICS]


def _row(rank: int, trial: Trial, names: Iterable[str], *, star: bool) -> list[Text]:
    scores = trial.scores or {}
    cells = [format_score(scores[name]) if name in scores else "-" for name in names]
    took = "-" if trial.seconds is None else duration(trial.seconds)
    facts = [str(rank), "★" if star else "", str(trial.number), trial.state.value]
    return [Text(cell) for cell in (*facts, *cells, took, trial.key[:_KEY_DIGITS])]


def _caption(trials: Sequence[Trial], front: int) -> str:
    counts = {state: sum(trial.state is state for trial in trials) for state in State}
    states = ", ".join(f"{count} {state.value}" for state, count in counts.items() if count)
    if restarted := sum(trial.attempts > 1 for trial in trials):
        states += f"; {restarted} restarted"
    stars = "\n★ on the Pareto front" if front else ""
    return f"{len(trials)} trials: {states}{stars}" if trials else "no trials"


def summary_document(
    trials: Sequence[Trial], objectives: Mapping[str, Direction], *, rejected: int = 0
) -> dict[str, Any]:
    """The document of `nas inspect --json`, of JSON's types; numbers that are not finite become null.

    `rejected` counts proposals that the constraints rejected. `best` is null, and `front` empty, if no trial has
    scores. Trials without scores have an empty object.
    """
    winner = best(trials, objectives)
    return {
        "objectives": dict(objectives),
        "rejected": rejected,
        "trials": [_entry(trial) for trial in sorted(trials, key=lambda trial: trial.number)],
        "best": winner.number if winner else None,
        "front": pareto_front(trials, objectives),
    }


def _entry(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state.value,
        "key": trial.key,
        "scores": {name: _finite(value) for name, value in (trial.scores or {}).items()},
        "seconds": _finite(trial.seconds),
        "error": trial.error,
        "attempts": trial.attempts,
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
