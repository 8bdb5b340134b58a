"""Selection of the device."""

import torch


class DeviceError(ValueError):
    """The device does not exist; the message lists the available ones."""


def best_device(asked: str) -> str:
    """Resolve `auto`: `cuda` if a GPU is available, else `cpu`; returns an explicit device unchanged.

    Raises:
        DeviceError: torch does not know the device, or it is unavailable.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    available = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{i}" for i in range(gpus))]
    if asked == "auto":
        return "cuda" if gpus else "cpu"
    if asked not in available:
        raise DeviceError(f"no device {asked!r} here: give auto, {' or '.join(available)}")
    return asked
