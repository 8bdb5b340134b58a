"""SNIP: connection sensitivity of the loss (Lee et al. 2019, arXiv 1810.02340, section 4.1)."""

from collections.abc import Sequence

from torch import nn

from nas.training.batches import Batch
from proxies.zero_cost.network import gradients, weights


def snip(detector: nn.Module, batches: Sequence[Batch]) -> float:
    """Sum over weights of |w dL/dw| on the first batch (summed as in arXiv 2101.08134, section 3.2).

    Detection: L is the detector's own loss; the weights of its head are included.
    """
    pairs = zip(weights(detector).values(), gradients(detector, batches[0]), strict=True)
    return sum(float((weight.detach() * slope).abs().sum()) for weight, slope in pairs)
