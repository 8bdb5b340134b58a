"""Zen-score: sensitivity of the outputs to a small change of the input (Lin et al. 2021, arXiv 2102.01063)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.training.batches import Batch
from proxies.zero_cost.network import NORMS, backbone, gaussian, identity, maps, replaced

STEP = 0.01


def zen(detector: nn.Module, batches: Sequence[Batch]) -> float:
    """ln of the mean over images of |f(x) - f(x + .01 e)|, with x, e and all weights standard normal (Algorithm 1).

    Data-free: only the shape of the batches is used. In the paper batch norms keep maps small, and the logarithms of
    their deviations are added back. That is correct along a chain; where paths of different length join, the sum has
    deviations that some paths were not divided by. Here double precision holds the maps without any norm, as in the
    paper's Phi-score. Shortcuts stay, being searched; they add little to branches with weights of unit variance.

    Detection: the mean of the scores of the backbone's maps.
    """
    network, images = backbone(detector), batches[0][0]
    x, e = torch.randn(2, *images.shape, dtype=torch.float64, device=images.device)
    with torch.no_grad(), replaced(network, NORMS, identity):
        tensors = gaussian(network)
        before, after = maps(network, x, tensors), maps(network, x + STEP * e, tensors)
    return sum(_response(before[name], after[name]) for name in before) / len(before)


def _response(before: Tensor, after: Tensor) -> float:
    change = (after - before).flatten(1)
    largest = change.abs().max()  # its square may overflow double precision
    return float((change / largest).norm(dim=1).mean().log() + largest.log())
