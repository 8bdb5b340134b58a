"""Selection of the device."""

import ctypes
from pathlib import Path

from nas.training.errors import DeviceError


def best_device(asked: str) -> str:
    """Resolve `auto`: `cuda` if a GPU is available, else `cpu`; returns an explicit device unchanged.

    Raises:
        DeviceError: torch does not know the device, or it is unavailable.
    """
    gpus = _count()
    available = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{i}" for i in range(gpus))]
    if asked == "auto":
        return "cuda" if gpus else "cpu"
    if asked not in available:
        raise DeviceError(f"no device {asked!r} here: give auto, {' or '.join(available)}")
    return asked


def gpu_names() -> list[str]:
    """Names of this machine's GPUs."""
    if not _count():
        return []
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def has_driver() -> bool:
    """Whether a GPU driver of NVIDIA or AMD is installed: without one, torch finds no GPU and need not be imported."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()
    return True


def _count() -> int:
    if not has_driver():
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
