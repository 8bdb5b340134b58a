"""The best trial by the first objective, and the Pareto front by all of them."""

import math
import operator
from collections.abc import Mapping, Sequence

from nas.search.types import Direction, Scores, State, Trial


def best(trials: Sequence[Trial], objectives: Mapping[str, Direction]) -> Trial | None:
    """The trial with the best first objective; ties go to the earliest. None if no trial has scores."""
    ranked = _comparable(trials, objectives)
    return max(ranked, key=lambda pair: (pair[1][0], -pair[0].number))[0] if ranked else None


def pareto_front(trials: Sequence[Trial], objectives: Mapping[str, Direction]) -> list[int]:
    """Numbers of the non-dominated trials, best first objective first.

    Trials with equal scores are all listed.
    """
    front: list[tuple[Trial, tuple[float, ...]]] = []
    # in this order a trial can be dominated only by an earlier one, so the front never shrinks
    for trial, values in sorted(_comparable(trials, objectives), key=lambda pair: pair[1], reverse=True):
        if not any(dominates(other, values) for _, other in front):
            front.append((trial, values))
    return [trial.number for trial, _ in front]


def objective_vector(trial: Trial, objectives: Mapping[str, Direction]) -> tuple[float, ...] | None:
    """The trial's objectives, signed so that more is better; None unless all are finite."""
    return signed(trial.scores or {}, objectives)


def signed(scores: Scores, objectives: Mapping[str, Direction]) -> tuple[float, ...] | None:
    """The objectives among the scores, signed so that more is better; None unless all are finite."""
    values = tuple(
        scores.get(name, math.nan) * (1 if direction == "max" else -1) for name, direction in objectives.items()
    )
    return values if all(map(math.isfinite, values)) else None


def _comparable(trials: Sequence[Trial], objectives: Mapping[str, Direction]) -> list[tuple[Trial, tuple[float, ...]]]:
    """Finished trials with their objective vectors; trials stopped early if none has finished."""
    for state in (State.finished, State.stopped):
        scored = [(trial, objective_vector(trial, objectives)) for trial in trials if trial.state is state]
        if ranked := [(trial, values) for trial, values in scored if values is not None]:
            return ranked
    return []


def dominates(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    """Whether the first Pareto-dominates the second: better in one value, worse in none; more is better."""
    return first != second and all(map(operator.ge, first, second))
