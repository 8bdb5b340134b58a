"""Numbers, durations and foreign text as they appear on screen."""

from collections.abc import Iterable

from nas.search.types import Scores


def figure(value: float) -> str:
    """A score in about three digits: 0.347, 12.500, 4.2e-05."""
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.3g}"


def figures(scores: Scores, names: Iterable[str]) -> str:
    """The named scores that there are: `ap 0.312  gmacs 0.041`."""
    return "  ".join(f"{name} {figure(scores[name])}" for name in names if name in scores)


def duration(seconds: float) -> str:
    """A length of time as one would say it: 38 s, 3 min, 2 h 10 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def one_line(text: str) -> str:
    """Text from elsewhere on one line, without the control characters that could repaint a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
