"""The plot of a ranking: what each setting's tau costs."""

import io
from collections.abc import Sequence

from nas.inspect.palette import FAINT, INK, OUTPUT, WAYS
from proxies.verdict import Verdict


def plot(verdicts: Sequence[Verdict], require_tau: float) -> str:
    """SVG: Kendall's tau of one seed, with its interval, against seconds a candidate."""
    # it takes a second to import
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "ranking"}):
        drawing = Figure(figsize=(8, 5), layout="constrained")
        axes = drawing.add_subplot()
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
        text = io.StringIO()
        drawing.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
