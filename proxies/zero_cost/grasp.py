"""GraSP: preservation of the gradient flow (Wang et al. 2020, arXiv 2002.07376, section 4)."""

from collections.abc import Sequence

import torch
from torch import nn

from nas.training.batches import Batch
from proxies.zero_cost.network import gradients, slopes, weights


def grasp(detector: nn.Module, batches: Sequence[Batch]) -> float:
    """Sum over weights of -w (H g) on the first batch: g is the loss's gradient, H its Hessian (arXiv 2101.08134, 3.2).

    Detection: the loss is the detector's own; the weights of its head are included. The paper's temperature is left
    out, since a detector has several losses and no single set of logits to divide by it.

    Raises:
        RuntimeError: the head uses RoI align or deformable convolution, which have no second derivative in torch.
    """
    chosen = weights(detector)
    flowing = gradients(detector, batches[0], differentiable=True)
    flow = torch.stack([(slope.detach() * slope).sum() for slope in flowing]).sum()
    pairs = zip(chosen.values(), slopes(flow, chosen), strict=True)
    return -sum(float((weight.detach() * product).sum()) for weight, product in pairs)
