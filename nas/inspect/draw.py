"""A genotype as a picture, in the manner of SpineNet's Figure 4 (arXiv 1912.05027), and as lines of text."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from nas.inspect.layout import ROW, layout
from nas.inspect.route import live_items
from nas.inspect.words import one_line, plain
from search_spaces.genotype import Edge, Genotype, Node, Scale
from search_spaces.ops import Op, StemMap

_LEFT, _RIGHT, _MARGIN, _TITLE = 0.9, 0.69, 0.15, 0.4
_DPI, _MOST_PIXELS = 144, 30_000
_METADATA = {
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""Metadata by suffix: fields that would differ between two drawings of the same genotype are removed."""


def draw(genotype: Genotype, path: Path, *, title: str = "") -> None:
    """Draw the live graph to a file: the same bytes for the same genotype and title.

    Levels increase upwards and build order runs to the right, to the head. Text in an SVG or a PDF stays text.

    Raises:
        ValueError: the path ends neither in .svg nor in .png nor in .pdf.
    """
    suffix = path.suffix.lower()
    if suffix not in _METADATA:
        raise ValueError(f"path: {path.name!r} names no format: end it in {', '.join(_METADATA)}")
    # imported on use: only drawing needs matplotlib, which takes a second to import
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from nas.inspect.legend import LINE, arrange, entries, paint_legend
    from nas.inspect.paint import paint, write

    plan = layout(genotype)
    width = plan.width + _LEFT + _RIGHT
    legend = arrange(entries(genotype, plan), width - 2 * _MARGIN)
    bottom = -len(legend) * LINE - 0.1 - _MARGIN
    top = len(plan.levels) * ROW + _TITLE * bool(title) + _MARGIN
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "genotype", "pdf.fonttype": 42}):
        figure = Figure(figsize=(width, top - bottom))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(-_LEFT, plan.width + _RIGHT), ylim=(bottom, top))
        axes.axis("off")
        paint(axes, genotype, plan)
        paint_legend(axes, legend, (-_LEFT + _MARGIN, -0.1))
        write(axes, (-_LEFT + _MARGIN, top - 0.27), one_line(title), 13, bold=True, align="left")
        dpi = min(_DPI, _MOST_PIXELS / width)
        figure.savefig(path, format=suffix[1:], dpi=dpi, metadata=_METADATA[suffix])


def describe(genotype: Genotype, scale: Scale | None = None, classes: int | None = None) -> str:
    """The live graph as a table, one line per node in build order; then its outputs, head and parts of blocks.

    Widths are the genotype's, before any scale. An input is followed by the number of levels that it climbs or falls
    and by its resample operator.

    Args:
        genotype: genotype to describe.
        scale: scale to list; None for none.
        classes: number of the head's classes to list; None for none.
    """
    items = live_items(genotype)
    rows: list[tuple[str, ...]] = [("#", "node", "level", "stride", "width", "block", "fuse", "inputs")]
    for i, (name, item) in enumerate(items.items()):
        width = "-" if item.width is None else str(item.width)
        built = _built(item, items) if isinstance(item, Node) else (plain(genotype.stem), "-", "the image")
        rows.append((str(i), name, f"P{item.level}", str(2**item.level), width, *built))
    return "\n".join([*_aligned(rows), "", *_aligned([*_notes(genotype), *_size(scale, classes)])])


def _built(node: Node, items: dict[str, Node | StemMap]) -> tuple[str, str, str]:
    parts = dict.fromkeys(part.name for part in node.block.parts())
    fuse = plain(node.fuse) if len(node.inputs) > 1 else "-"
    inputs = [_input(edge, node.level - items[edge.source].level) for edge in node.inputs]
    return " +".join([plain(node.block), *parts]), fuse, ", ".join(inputs)


def _input(edge: Edge, climb: int) -> str:
    move = f"↑{climb}" if climb > 0 else f"↓{-climb}" if climb else ""
    return f"{edge.source}{move} {plain(edge.op)}"


def _notes(genotype: Genotype) -> Iterator[tuple[str, str]]:
    yield "outputs", " ".join(genotype.outputs)
    yield "head", " + ".join(map(plain, (genotype.head, *genotype.head.parts())))
    carriers: dict[Op, list[str]] = {}
    for node in genotype.live:
        for part in node.block.parts():
            carriers.setdefault(part, []).append(node.name)
    for part, names in carriers.items():
        yield " ".join(names), plain(part)
    if dead := len(genotype.nodes) - len(genotype.live):
        yield "dead", f"{dead} of {len(genotype.nodes)} nodes, needed by no output: not built"


def _size(scale: Scale | None, classes: int | None) -> Iterator[tuple[str, str]]:
    if scale:
        yield "scale", " ".join(f"{name}={value}" for name, value in asdict(scale).items() if value is not None)
    if classes:
        yield "classes", str(classes)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
