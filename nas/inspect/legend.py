"""The legend of a drawn genotype: the marks that occur in it, with their meanings."""

from collections.abc import Callable, Iterable, Iterator

from matplotlib.axes import Axes

from nas.inspect.layout import Arrow, Layout, Point
from nas.inspect.paint import badge, paint_arrows, pill, rounded, write
from nas.inspect.palette import BLOCKS, FUSES, OUTPUT, STEM
from search_spaces.genotype import Genotype
from search_spaces.ops import Op, op

LINE = 0.28
"""Height of a legend line, inches."""
_SYMBOL, _LETTER, _SPACE, _SIZE = 0.36, 0.066, 0.2, 9
_WAYS = {1: "to a coarser level", -1: "to a finer level", 0: "same level"}

Entry = tuple[Callable[[Axes, Point], None], str]
"""A function that draws a mark at a point, and the mark's meaning."""


def arrange(entries: Iterable[Entry], width: float) -> list[list[tuple[float, Entry]]]:
    """Entries with their x offsets, in lines no longer than `width`."""
    lines: list[list[tuple[float, Entry]]] = [[]]
    x = 0.0
    for entry in entries:
        length = _SYMBOL + _LETTER * len(entry[1])
        if x + length > width and lines[-1]:
            lines.append([])
            x = 0.0
        lines[-1].append((x, entry))
        x += length + _SPACE
    return lines


def paint_legend(axes: Axes, lines: list[list[tuple[float, Entry]]], corner: Point) -> None:
    """Draw arranged entries downwards from the upper left corner."""
    for i, line in enumerate(lines):
        y = corner[1] - (i + 0.5) * LINE
        for x, (mark, meaning) in line:
            mark(axes, (corner[0] + x + 0.14, y))
            write(axes, (corner[0] + x + _SYMBOL, y), meaning, _SIZE, align="left")


def entries(genotype: Genotype, plan: Layout) -> Iterator[Entry]:
    """The marks that occur in the drawing, each once."""
    nodes = genotype.live
    yield _swatch(*STEM), genotype.stem.name
    for name in (name for name in BLOCKS if any(node.block.name == name for node in nodes)):
        yield _swatch(*BLOCKS[name]), "no block" if name == "none" else name
    yield _swatch("#ffffff", OUTPUT, 2.0), "output"
    for name in (name for name in FUSES if any(node.fuse.name == name for node in nodes if len(node.inputs) > 1)):
        yield _badge(name), f"{name} fusion"
    yield from _arrows(plan)
    if any(part.name == "msfm" for node in nodes for part in node.block.parts()):
        yield _pill("msfm"), "multi-scale fusion"
    if any(part.name == "dsa" for part in genotype.head.parts()):
        yield _pill("dsa"), "self-attention"


def _arrows(plan: Layout) -> Iterator[Entry]:
    resampled = [arrow for arrows in plan.arrows.values() for arrow in arrows if arrow.op is not None]
    for way, meaning in _WAYS.items():
        if any(arrow.way == way for arrow in resampled):
            yield _arrow(way, op("nearest")), meaning
    if any(arrow.op == op("identity") for arrow in resampled):
        yield _arrow(0, op("identity")), "identity"


def _swatch(fill: str, rim: str, line: float = 1.0) -> Callable[[Axes, Point], None]:
    return lambda axes, at: rounded(axes, at, (0.24, 0.16), fill, rim, line=line)


def _badge(fuse: str) -> Callable[[Axes, Point], None]:
    return lambda axes, at: badge(axes, (at[0] + 0.05, at[1]), fuse)


def _pill(content: str) -> Callable[[Axes, Point], None]:
    return lambda axes, at: pill(axes, at, content)


def _arrow(way: int, operator: Op) -> Callable[[Axes, Point], None]:
    return lambda axes, at: paint_arrows(axes, [Arrow(((at[0] - 0.14, at[1]), (at[0] + 0.16, at[1])), way, operator)])
