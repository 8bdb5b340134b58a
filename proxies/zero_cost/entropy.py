"""Multi-scale entropy: the expressiveness of the feature pyramid (MAE-DET, Sun et al. 2022, arXiv 2111.13336)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.training.batches import Batch
from proxies.zero_cost.network import ACTIVATIONS, NORMS, backbone, gaussian, identity, maps, replaced

WEIGHTS = {"p3": 1.0, "p4": 1.0, "p5": 2.0, "p6": 2.0, "p7": 2.0}
"""Weight of each map. The paper weighs C1 .. C5 by 0, 0, 1, 1, 6; P5, P6 and P7, made from C5, share its weight."""


def entropy(detector: nn.Module, batches: Sequence[Batch]) -> float:
    """Weighted sum over maps of ln(variance), with inputs and all weights standard normal (section 3).

    Up to constants, twice the entropy of a Gaussian map. As in the released code, norms and activations are left out.
    Data-free: only the shape of the batches is used. The paper rescales maps in between and adds the logarithms; here
    double precision avoids the overflow, and shortcuts stay: see `zen`.

    Detection: the maps are the backbone's; levels other than 3 .. 7 have no weight.
    """
    network, images = backbone(detector), batches[0][0]
    x = torch.randn(images.shape, dtype=torch.float64, device=images.device)
    with torch.no_grad(), replaced(network, (*NORMS, *ACTIVATIONS), identity):
        found = maps(network, x, gaussian(network))
    return sum(WEIGHTS[name] * _log_variance(found[name]) for name in found if name in WEIGHTS)


def _log_variance(x: Tensor) -> float:
    largest = x.abs().max()  # its square may overflow double precision
    return float((x / largest).var().log() + 2 * largest.log())
