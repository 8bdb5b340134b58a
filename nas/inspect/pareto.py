"""The plot of a search with several objectives: the Pareto front and the dominated trials."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nas.inspect.palette import FAINT, INK, OUTPUT
from nas.inspect.svg import svg
from nas.search.objectives import objective_vector, pareto_front
from nas.search.types import Direction, State, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot(trials: Sequence[Trial], objectives: Mapping[str, Direction]) -> str:
    """SVG: the first objective against each of the others. Trials stopped early are hollow.

    Args:
        objectives: at least two.
    """
    first, *others = objectives
    front = set(pareto_front(trials, objectives))
    scored = [trial for trial in trials if objective_vector(trial, objectives)]

    def draw(figure: "Figure") -> None:
        for axes, other in zip(figure.subplots(1, len(others), squeeze=False)[0], others, strict=True):
            for trial in scored:
                _dot(axes, trial, other, first, on_front=trial.number in front)
            if len(others) == 1:
                _frontier(axes, [trial for trial in scored if trial.number in front], other, first, objectives[other])
            axes.set(xlabel=f"{other} ({objectives[other]})", ylabel=f"{first} ({objectives[first]})")
            axes.margins(0.08)
            axes.grid(alpha=0.2)

    return svg(draw, name="pareto", inches=(7.0 * len(others), 5.0))


def _dot(axes: "Axes", trial: Trial, x: str, y: str, *, on_front: bool) -> None:
    scores = trial.scores or {}
    color = OUTPUT if on_front else FAINT
    face = "none" if trial.state is State.stopped else color
    axes.plot(scores[x], scores[y], "o", markersize=7 if on_front else 4, color=color, markerfacecolor=face)
    if on_front:
        axes.annotate(
            f"#{trial.number}", (scores[x], scores[y]), (5, 5), textcoords="offset points", fontsize=8, color=INK
        )


def _frontier(axes: "Axes", front: Sequence[Trial], x: str, y: str, direction: Direction) -> None:
    """The attainment curve of the front, as steps."""
    points = sorted((scores[x], scores[y]) for trial in front if (scores := trial.scores))
    steps = "steps-post" if direction == "min" else "steps-pre"
    axes.plot(*zip(*points, strict=True), color=OUTPUT, drawstyle=steps, linewidth=1, alpha=0.5)
