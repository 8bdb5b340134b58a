"""Jacobian covariance: how well images are separated (Mellor et al. 2020, arXiv 2006.04647v1, section 3)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.training.batches import Batch
from proxies.zero_cost.network import BatchStatistics, backbone, maps, normalised, replaced

EPSILON = 1e-5


def jacob_cov(detector: nn.Module, batches: Sequence[Batch]) -> float:
    """-sum of ln(v + e) + 1 / (v + e) over the eigenvalues v of the images' Jacobians' correlations, e = 1e-5.

    An image's Jacobian is the gradient of its summed outputs with respect to its pixels, over the first batch.

    Detection: the outputs are all pixels of the backbone's maps. Batch statistics are treated as constants:
    differentiated through, a final norm would make the sum of its outputs constant.
    """
    images = normalised(detector, batches[0]).requires_grad_()
    network = backbone(detector)
    with replaced(network, (nn.BatchNorm2d,), BatchStatistics):
        total = torch.stack([x.sum() for x in maps(network, images, {}).values()]).sum()
    (jacobians,) = torch.autograd.grad(total, images)
    return spread(jacobians.flatten(1).double())


def spread(rows: Tensor) -> float:
    """The score of Jacobians (images, pixels)."""
    values = torch.linalg.eigvalsh(torch.corrcoef(rows)) + EPSILON
    return -float((values.log() + 1 / values).sum())
