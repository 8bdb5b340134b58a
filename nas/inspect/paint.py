"""Drawing of a genotype's boxes, arrows and head, on axes in inches."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, PathPatch, Rectangle
from matplotlib.path import Path

from nas.inspect.layout import BADGE, BOX_HEIGHT, BOX_WIDTH, ROW, Arrow, Box, Layout, Point
from nas.inspect.palette import BLOCKS, FAINT, FUSES, INK, OUTPUT, PART, STEM, WAYS
from search_spaces.genotype import Genotype, Node

HEAD_WIDTH = 0.44


def paint(axes: Axes, genotype: Genotype, plan: Layout) -> None:
    """Draw everything except the legend; the head lies to the right of `plan.width`."""
    _rows(axes, plan)
    for arrows in plan.arrows.values():
        paint_arrows(axes, arrows)
    for name, box in plan.boxes.items():
        _box(axes, box, output=name in genotype.outputs)
    _head(axes, genotype, plan)


def write(
    axes: Axes,
    at: Point,
    content: str,
    size: float,
    *,
    color: str = INK,
    bold: bool = False,
    align: str = "center",
    turned: bool = False,
) -> None:
    """Draw a text at a point, `size` in typographic points, without mathtext parsing."""
    axes.text(
        *at,
        content,
        fontsize=size,
        color=color,
        fontweight="bold" if bold else "normal",
        ha=align,
        va="center_baseline",
        rotation=90 if turned else 0,
        parse_math=False,
        zorder=5,
    )


def rounded(axes: Axes, at: Point, size: Point, fill: str, rim: str, *, line: float = 1.0, z: float = 3) -> None:
    """A box with round corners, centred at a point."""
    corner = min(size) * 0.25
    style = f"round,pad=0,rounding_size={corner}"
    low = at[0] - size[0] / 2, at[1] - size[1] / 2
    axes.add_patch(FancyBboxPatch(low, *size, boxstyle=style, fc=fill, ec=rim, lw=line, zorder=z))


def pill(axes: Axes, at: Point, content: str) -> None:
    """A small label for a part inside an operator."""
    rounded(axes, at, (0.07 + 0.063 * len(content), 0.13), PART, PART, line=0, z=4)
    write(axes, at, content, 6, color="#ffffff", bold=True)


def badge(axes: Axes, at: Point, fuse: str) -> None:
    """The mark of a fuse operator."""
    glyph, fill, ink = FUSES[fuse]
    axes.add_patch(Circle(at, BADGE, fc=fill, ec=INK, lw=0.8, zorder=4))
    write(axes, at, glyph, 8, color=ink, bold=True)


def paint_arrows(axes: Axes, arrows: Sequence[Arrow]) -> None:
    """The arrows of one source, with a white outline that separates them from arrows they cross."""
    paths = [_path(arrow.knots) for arrow in arrows]
    for path in paths:
        axes.add_patch(PathPatch(path, fc="none", ec="#ffffff", lw=3.4, capstyle="butt", zorder=2))
    for path, arrow in zip(paths, arrows, strict=True):
        color = OUTPUT if arrow.op is None else WAYS[arrow.way]
        style = (0, (3, 1.6)) if arrow.op is not None and arrow.op.name == "identity" else "-"
        head = "-|>,head_length=4,head_width=2"
        axes.add_patch(
            FancyArrowPatch(path=path, arrowstyle=head, mutation_scale=1, color=color, lw=1.4, ls=style, zorder=2)
        )


def _path(knots: Sequence[Point]) -> Path:
    """S-curves from knot to knot."""
    vertices, codes = [knots[0]], [int(Path.MOVETO)]
    for (x0, y0), (x1, y1) in pairwise(knots):
        middle = (x0 + x1) / 2
        vertices += [(middle, y0), (middle, y1), (x1, y1)]
        codes += [int(Path.CURVE4)] * 3
    return Path(vertices, codes)


def colors(item: object) -> tuple[str, str]:
    """Fill and rim of a node or of a stem's map."""
    return BLOCKS[item.block.name] if isinstance(item, Node) else STEM


def _box(axes: Axes, box: Box, *, output: bool) -> None:
    fill, rim = colors(box.item)
    rounded(axes, (box.x, box.y), (BOX_WIDTH, BOX_HEIGHT), fill, OUTPUT if output else rim, line=2.4 if output else 1.0)
    size = label(box)
    name = box.item.name if len(box.item.name) <= 12 else box.item.name[:11] + "…"
    x = box.x + BADGE / 2 * (box.inputs > 1)
    write(axes, (x, box.y + 0.08 * bool(size)), name, min(11, (45 - 5 * (box.inputs > 1)) / len(name)), bold=True)
    write(axes, (x, box.y - 0.08), size, 7.5)
    if isinstance(box.item, Node):
        if box.inputs > 1:
            badge(axes, (box.x - BOX_WIDTH / 2, box.y), box.item.fuse.name)
        if any(part.name == "msfm" for part in box.item.block.parts()):
            pill(axes, (box.x, box.y - BOX_HEIGHT / 2 - 0.02), "msfm")


def label(box: Box) -> str:
    """The map's own width, if any, and its block's repeats."""
    width = "" if box.item.width is None else str(box.item.width)
    return f"{width} ×{repeats}".strip() if (repeats := _repeats(box.item)) > 1 else width


def _repeats(item: object) -> int:
    return int(item.block["repeats"]) if isinstance(item, Node) and "repeats" in item.block.spec.fields else 1


def _rows(axes: Axes, plan: Layout) -> None:
    for i, level in enumerate(plan.levels):
        if i % 2 == 0:
            axes.add_patch(
                Rectangle((-0.75, i * ROW), plan.width + HEAD_WIDTH + 0.85, ROW, fc="#f4f6f8", ec="none", zorder=0)
            )
        middle = (i + 0.5) * ROW
        write(axes, (-0.42, middle + 0.08), f"P{level}", 11, bold=True)
        write(axes, (-0.42, middle - 0.1), f"stride {2**level}", 7, color=FAINT)


def _head(axes: Axes, genotype: Genotype, plan: Layout) -> None:
    rows = [(level - plan.levels[0] + 0.5) * ROW for level in genotype.levels]
    low, high = rows[0] - 0.3, rows[-1] + 0.3
    middle = plan.width + HEAD_WIDTH / 2, (low + high) / 2
    rounded(axes, middle, (HEAD_WIDTH, high - low), "#ffffff", OUTPUT, line=1.6)
    write(axes, middle, f"{genotype.head.name} head", 10, bold=True, turned=True)
    for part in genotype.head.parts():
        for level, y in zip(genotype.levels, rows, strict=True):
            if part.name == "dsa" and level >= part["min_level"]:
                pill(axes, (plan.width - 0.28, y), "dsa")
