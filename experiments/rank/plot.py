"""The plot of a ranking: Kendall's tau against the cost of each setting."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.inspect.palette import FAINT, INK, OUTPUT, WAYS
from nas.inspect.svg import svg
from proxies.ranking.plan import REFERENCE
from proxies.ranking.verdict import Verdict, pareto_optimal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = {"ap": WAYS[1], "ap50": "#4dabf7", "loss": WAYS[-1]}
"""Colour of each score that candidates are compared by."""


def plot(verdicts: Sequence[Verdict], require_tau: float) -> str:
    """SVG: Kendall's tau of one seed against seconds per candidate; Pareto-optimal settings are labelled."""

    def draw(figure: "Figure") -> None:
        from matplotlib.ticker import LogLocator, NullLocator

        axes = figure.add_subplot()
        axes.axhline(require_tau, color=FAINT, linestyle="--", linewidth=1)
        axes.text(1.005, require_tau, "required", color=FAINT, transform=axes.get_yaxis_transform(), va="center")
        drawn = [verdict for verdict in verdicts if verdict.seconds and verdict.one_seed.tau.value is not None]
        for label, color in dict.fromkeys(map(_group, drawn)):
            points = [(v.seconds, v.one_seed.tau.value) for v in drawn if _group(v) == (label, color)]
            axes.plot(*zip(*points, strict=True), "o", color=color, markersize=5, alpha=0.75, label=label)
        for verdict in pareto_optimal(drawn):
            _name(axes, verdict)
        axes.set(xscale="log", xlabel="seconds per candidate", ylabel="Kendall's tau with the reference")
        axes.xaxis.set(major_locator=LogLocator(subs=(1, 3)), major_formatter="{x:g}", minor_locator=NullLocator())
        axes.margins(x=0.12)
        axes.grid(alpha=0.2)
        if drawn:
            axes.legend(loc="lower right", frameon=False)

    return svg(draw, name="ranking", inches=(9, 6))


def _group(verdict: Verdict) -> tuple[str, str]:
    """Label and colour of a verdict's group in the legend."""
    score = verdict.measured.score
    if verdict.measured.own:
        return f"the {REFERENCE} itself", OUTPUT
    return (f"short training, by {score}", _COLORS[score]) if score in _COLORS else ("no training", FAINT)


def _name(axes: "Axes", verdict: Verdict) -> None:
    tau = verdict.one_seed.tau
    if tau.interval and verdict.seconds:
        axes.vlines(verdict.seconds, *tau.interval, color=_group(verdict)[1], linewidth=1, alpha=0.5)
    axes.annotate(
        verdict.measured.name,
        (verdict.seconds, tau.value),
        xytext=(-4, 5),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=INK,
    )
