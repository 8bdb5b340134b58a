"""Plots as SVG text, byte-identical at every call."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def svg(draw: "Callable[[Figure], None]", *, name: str, inches: tuple[float, float]) -> str:
    """A figure of this size, drawn by `draw`, as SVG.

    Args:
        name: name of the plot, from which the SVG's identifiers are derived.
    """
    # imported on use: matplotlib takes a second to import
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure = Figure(figsize=inches, layout="constrained")
        draw(figure)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
