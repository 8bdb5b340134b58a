"""Interleaved timing of two functions, so that other load affects both alike; on CPU or GPU."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Ratio:
    """The times of two functions, and their ratio.

    Attributes:
        first: median time of the first, s.
        second: median time of the second, s.
        rounds: ratio within each round, first over second.
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


def clock() -> float:
    """Wall time in seconds, after synchronising a GPU in use."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
    return time.perf_counter()


def interleaved(
    first: Callable[[], object], second: Callable[[], object], rounds: int, now: Callable[[], float] = clock
) -> Ratio:
    """Time both `rounds` times (2 or more) by the clock `now`, after a warm-up round, in alternating order."""
    first()
    second()
    times: tuple[list[float], list[float]] = ([], [])
    functions = list(zip((first, second), times, strict=True))
    for _ in range(rounds):
        for run, taken in functions:
            start = now()
            run()
            taken.append(now() - start)
        functions.reverse()
    pairs = zip(*times, strict=True)
    return Ratio(statistics.median(times[0]), statistics.median(times[1]), tuple(a / b for a, b in pairs))


def place(network: nn.Module, images: Tensor, device: str) -> tuple[nn.Module, Tensor]:
    """Move both to a device; channels-last on a GPU."""
    if device == "cpu":
        return network, images
    layout = torch.channels_last
    return network.to(device).to(memory_format=layout), images.to(device, memory_format=layout)


def autocast(images: Tensor) -> torch.autocast:
    """bfloat16 autocast if the images are on a GPU, else disabled."""
    return torch.autocast(images.device.type, torch.bfloat16, enabled=images.is_cuda)
