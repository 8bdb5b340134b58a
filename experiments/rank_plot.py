"""The plot of a ranking: what each setting's tau costs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.svg import svg
from nas.inspect.palette import FAINT, INK, OUTPUT, WAYS
from proxies.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot(verdicts: Sequence[Verdict], require_tau: float) -> str:
    """SVG: Kendall's tau of one seed, with its interval, against seconds a candidate."""

    def draw(figure: "Figure") -> None:
        from matplotlib.ticker import LogLocator, NullLocator

        axes = figure.add_subplot()
        axes.axhline(require_tau, color=FAINT, linestyle="--", linewidth=1)
        axes.text(1.005, require_tau, "required", color=FAINT, transform=axes.get_yaxis_transform(), va="center")
        for verdict in verdicts:
            tau = verdict.one_seed.tau
            if tau.value is None or not verdict.seconds:
                continue
            color = OUTPUT if verdict.measured.own else WAYS[1]
            if tau.interval:
                axes.vlines(verdict.seconds, *tau.interval, color=color, linewidth=1, alpha=0.5)
            axes.plot(verdict.seconds, tau.value, "o", color=color)
            axes.annotate(
                verdict.measured.name,
                (verdict.seconds, tau.value),
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=8,
                color=INK,
            )
        axes.set(xscale="log", xlabel="seconds a candidate", ylabel="Kendall's tau with the reference")
        axes.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}", minor_locator=NullLocator())
        axes.margins(x=0.12)
        axes.grid(alpha=0.2)

    return svg(draw, name="ranking", inches=(8, 5))
