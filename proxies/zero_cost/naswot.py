"""NASWOT: how differently images activate the units (Mellor et al. 2021, arXiv 2006.04647, section 3)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.training.batches import Batch
from proxies.zero_cost.network import ACTIVATIONS, BatchStatistics, backbone, maps, normalised, replaced


def naswot(detector: nn.Module, batches: Sequence[Batch]) -> float:
    """ln |det K|, where K_ij is the number of units with the same state for images i and j of the first batch.

    A unit is one pixel of one channel at the input of an activation; its state is whether it is above zero.

    Detection: the units are the backbone's.
    """
    network = backbone(detector)
    kernels: list[Tensor] = []

    def record(module: nn.Module, inputs: tuple[Tensor]) -> None:
        kernels.append(kernel(inputs[0] > 0))

    with torch.no_grad(), replaced(network, (nn.BatchNorm2d,), BatchStatistics):
        hooks = [m.register_forward_pre_hook(record) for m in network.modules() if isinstance(m, ACTIVATIONS)]
        try:
            maps(network, normalised(detector, batches[0]), {})
        finally:
            for hook in hooks:
                hook.remove()
    return float(torch.linalg.slogdet(torch.stack(kernels).sum(0)).logabsdet)


def kernel(codes: Tensor) -> Tensor:
    """States of units, (N, ...) -> the number of units in the same state for each pair of images, (N, N)."""
    on = codes.flatten(1).float()
    off = 1 - on
    return (on @ on.T + off @ off.T).double()
