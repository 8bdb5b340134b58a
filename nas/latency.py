"""Latency of a detector, measured on this machine."""

import statistics
import time
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from nas.detectors import build_detector
from search_spaces.errors import FusionNasError
from search_spaces.genotype import Genotype, Scale

Mode = Literal["eager", "compiled", "exported"]
MODES: tuple[Mode, ...] = get_args(Mode)
WARM_UP, REPEATS = 3, 20


class LatencyError(FusionNasError):
    """A network cannot run in a mode on this machine; the message names the cause and the fix."""


def latency(
    genotype: Genotype,
    scale: Scale,
    *,
    image_size: int,
    num_classes: int,
    device: str,
    batch: int = 1,
    mode: Mode = "eager",
) -> float:
    """Median milliseconds of a forward pass through the detector's `network`: no losses or NMS.

    Weights and images are random; neither affects the time. The device is synchronised before the clock stops.

    Args:
        genotype: the topology.
        scale: size of the network.
        image_size: side of the square images, px.
        num_classes: number of the head's classes.
        device: torch's name of the device.
        batch: images per pass.
        mode: eager, compiled by `torch.compile`, or exported by `torch.export`.

    Raises:
        GenotypeError: the scale does not suit the genotype.
        LatencyError: this machine cannot compile, or the network cannot be exported.
    """
    detector = build_detector(genotype, scale, num_classes).to(device)
    return pass_time(detector, image_size=image_size, device=device, batch=batch, mode=mode)


def pass_time(detector: nn.Module, *, image_size: int, device: str, batch: int = 1, mode: Mode = "eager") -> float:
    """`latency` of a detector that is already on the device; leaves it in evaluation mode.

    Raises:
        LatencyError: this machine cannot compile, or the network cannot be exported.
    """
    network = _Network(detector).eval()
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(batch, 3, image_size, image_size, generator=rng).to(device)
    with torch.no_grad():
        run = _prepared(network, images, mode)
        for _ in range(WARM_UP):
            run(images)
        return statistics.median(_milliseconds(run, images) for _ in range(REPEATS))


class _Network(nn.Module):
    """The `network` of a detector as a module."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> object:
        return self.detector.network(images)  # type: ignore[operator]


def _prepared(network: nn.Module, images: Tensor, mode: Mode) -> Callable[[Tensor], object]:
    try:
        if mode == "exported":
            return torch.export.export(network, (images,)).module()
        if mode == "compiled":
            torch.compiler.reset()  # beyond a limit of recompilations, torch silently runs a network eagerly
            network.compile(dynamic=False)
            network(images)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        help_ = "; torch.compile needs a C++ compiler for a CPU, Triton for a GPU" if mode == "compiled" else ""
        raise LatencyError(f"{mode}: {reason}{help_}") from error
    return network


def _milliseconds(run: Callable[[Tensor], object], images: Tensor) -> float:
    _wait(images.device)
    start = time.perf_counter()
    run(images)
    _wait(images.device)
    return 1e3 * (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
