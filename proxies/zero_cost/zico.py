"""ZiCo: agreement of the gradients of different batches (Li et al. 2023, arXiv 2301.11300, section 3)."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from nas.training.batches import Batch
from proxies.zero_cost.network import gradients


def zico(detector: nn.Module, batches: Sequence[Batch]) -> float:
    """Sum over layers of ln(sum over weights of mean |g| / deviation of g), over two batches or more.

    The deviation is the population standard deviation of the signed gradient, as in the released code. Weights with a
    constant gradient are left out, and so are layers that have only such weights.

    Detection: g is the gradient of the detector's own loss; the layers of its head are included.
    """
    layers = zip(*(gradients(detector, batch) for batch in batches), strict=True)
    agreements = (_agreement(torch.stack(layer)) for layer in layers)
    return sum(math.log(agreement) for agreement in agreements if agreement)


def _agreement(slopes: torch.Tensor) -> float:
    """The inner sum for one layer's gradients (batches, ...)."""
    mean, deviation = slopes.abs().mean(0), slopes.std(0, correction=0)
    varies = deviation > 0
    return float((mean[varies] / deviation[varies]).sum())
