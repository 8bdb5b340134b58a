"""Zen-score: how sharply the outputs answer a small change of the input (Lin et al. 2021, arXiv 2102.01063)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.training.batches import Batch
from proxies.zero_cost.network import NORMS, backbone, gaussian, maps, nothing, replaced

STEP = 0.01


def zen(detector: nn.Module, batches: Sequence[Batch]) -> float:
    """ln of the mean over images of |f(x) - f(x + .01 e)|, with x, e and all weights standard normal (Algorithm 1).

    Data-free: of the batches only the shape counts. In the paper batch norms keep maps small, and the logarithms of
    what they divide by are added again. Such a sum holds along a chain; where paths of different length meet, it counts
    divisions that some of them did not go through. Double precision holds the maps without any norm, as the paper's
    Phi-score has it. Shortcuts stay, being searched; beside weights of unit variance they add next to nothing.

    Detection: the mean of the scores of the backbone's maps.
    """
    network, images = backbone(detector), batches[0][0]
    x, e = torch.randn(2, *images.shape, dtype=torch.float64, device=images.device)
    with torch.no_grad(), replaced(network, NORMS, nothing):
        tensors = gaussian(network)
        before, after = maps(network, x, tensors), maps(network, x + STEP * e, tensors)
    return sum(_response(before[name], after[name]) for name in before) / len(before)


def _response(before: Tensor, after: Tensor) -> float:
    change = (after - before).flatten(1)
    largest = change.abs().max()  # its square may be beyond double precision
    return float((change / largest).norm(dim=1).mean().log() + largest.log())
