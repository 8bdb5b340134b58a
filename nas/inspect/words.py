"""Formatting of scores, durations, operators and foreign text for the screen."""

from collections.abc import Iterable

from nas.search.types import Scores
from search_spaces.ops import Op


def format_score(value: float) -> str:
    """A score with about three digits: 0.347, 12.500, 4.2e-05."""
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.3g}"


def format_scores(scores: Scores, names: Iterable[str]) -> str:
    """The named scores that exist: `ap 0.312  gmacs 0.041`."""
    return "  ".join(f"{name} {format_score(scores[name])}" for name in names if name in scores)


def duration(seconds: float) -> str:
    """A duration in a readable unit: 38 s, 3 min, 2 h 10 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def one_line(text: str) -> str:
    """Foreign text on one line, without control characters, which could repaint a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def plain(operator: Op) -> str:
    """`conv(kernel=1)`: the name, and the attributes that differ from their defaults, without parts."""
    fields = operator.spec.fields
    own = [f"{name}={value}" for name, value in operator.attributes if not fields[name].part]
    return f"{operator.name}({', '.join(own)})" if own else operator.name
