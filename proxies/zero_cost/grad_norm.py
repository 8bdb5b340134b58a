"""Gradient norm (Abdelfattah et al. 2021, arXiv 2101.08134, section 3.2)."""

from collections.abc import Sequence

from torch import nn

from nas.training.batches import Batch
from proxies.zero_cost.network import gradients


def grad_norm(detector: nn.Module, batches: Sequence[Batch]) -> float:
    """Sum over layers of the Euclidean norm of the weight's gradient on the first batch.

    Detection: the gradient of the detector's own loss; the layers of its head are included.
    """
    return sum(float(slope.norm()) for slope in gradients(detector, batches[0]))
