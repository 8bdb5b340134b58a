"""Multi-scale entropy: how much a pyramid can express at each level (MAE-DET, Sun et al. 2022, arXiv 2111.13336)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.training.batches import Batch
from proxies.zero_cost.network import ACTIVATIONS, NORMS, backbone, gaussian, maps, nothing, replaced

WEIGHTS = {"p3": 1.0, "p4": 1.0, "p5": 2.0, "p6": 2.0, "p7": 2.0}
"""What a map counts. The paper weighs C1 .. C5 by 0, 0, 1, 1, 6; an FPN makes P5, P6 and P7 of C5, and they share."""


def entropy(detector: nn.Module, batches: Sequence[Batch]) -> float:
    """Weighted sum over maps of ln(variance), with inputs and all weights standard normal (section 3).

    But for constants that is twice the entropy of a Gaussian map. As released, norms and activations are left out.
    Data-free: of the batches only the shape counts. The paper rescales maps on their way and adds the logarithms; here
    double precision holds them, and shortcuts stay: see `zen`.

    Detection: the maps are the backbone's; those of other levels than 3 .. 7 count nothing.
    """
    network, images = backbone(detector), batches[0][0]
    x = torch.randn(images.shape, dtype=torch.float64, device=images.device)
    with torch.no_grad(), replaced(network, (*NORMS, *ACTIVATIONS), nothing):
        found = maps(network, x, gaussian(network))
    return sum(WEIGHTS[name] * _log_variance(found[name]) for name in found if name in WEIGHTS)


def _log_variance(x: Tensor) -> float:
    largest = x.abs().max()  # its square may be beyond double precision
    return float((x / largest).var().log() + 2 * largest.log())
