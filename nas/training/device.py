"""Where to compute."""

import ctypes
from pathlib import Path

from nas.training.errors import DeviceError


def best_device(asked: str) -> str:
    """`auto` becomes `cuda` where there is a GPU and `cpu` where there is none.

    Raises:
        DeviceError: another device that torch does not know, or that is not there.
    """
    gpus = _count()
    there = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{i}" for i in range(gpus))]
    if asked == "auto":
        return "cuda" if gpus else "cpu"
    if asked not in there:
        raise DeviceError(f"no device {asked!r} here: give auto, {' or '.join(there)}")
    return asked


def gpu_names() -> list[str]:
    """What this machine's GPUs are called."""
    if not _count():
        return []
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def has_driver() -> bool:
    """Whether there is a driver for GPUs, of NVIDIA or AMD: without one torch finds none, and need not be asked."""
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
