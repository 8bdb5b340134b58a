"""Two ways to do the same, timed in turns, so that a busy machine slows both alike."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """Times of the first way over those of the second.

    Attributes:
        first: median seconds.
        second: median seconds.
        rounds: ratio within each round.
    """

    first: float
    second: float
    rounds: tuple[float, ...]

    def __str__(self) -> str:
        low, _, high = statistics.quantiles(self.rounds, n=4)
        return (
            f"{self.first * 1e3:.1f} ms against {self.second * 1e3:.1f} ms: ratio of medians "
            f"{self.first / self.second:.3f} (half of {len(self.rounds)} rounds within {low:.3f} .. {high:.3f})"
        )


def interleaved(first: Callable[[], object], second: Callable[[], object], rounds: int) -> Ratio:
    """Time both `rounds` times (2 or more), after one untimed round; who begins alternates."""
    first()
    second()
    times: tuple[list[float], list[float]] = ([], [])
    ways = list(zip((first, second), times, strict=True))
    for _ in range(rounds):
        for run, taken in ways:
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
        ways.reverse()
    pairs = zip(*times, strict=True)
    return Ratio(statistics.median(times[0]), statistics.median(times[1]), tuple(a / b for a, b in pairs))
