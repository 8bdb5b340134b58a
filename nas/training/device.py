"""Where to compute."""

import torch


def best_device(asked: str) -> str:
    """`auto` becomes `cuda` where there is a GPU and `cpu` where there is none; anything else stays."""
    if asked != "auto":
        return asked
    return "cuda" if torch.cuda.is_available() else "cpu"
