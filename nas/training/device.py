"""Where to compute."""

import torch

from search_spaces.errors import FusionNasError


class DeviceError(FusionNasError):
    """There is no such device; the message says which there are."""


def best_device(asked: str) -> str:
    """`auto` becomes `cuda` where there is a GPU and `cpu` where there is none.

    Raises:
        DeviceError: another device that torch does not know, or that is not there.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{i}" for i in range(gpus))]
    if asked == "auto":
        return "cuda" if gpus else "cpu"
    if asked not in there:
        raise DeviceError(f"no device {asked!r} here: give auto, {' or '.join(there)}")
    return asked
