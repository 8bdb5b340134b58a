"""SynFlow: total synaptic flow along all paths of a network (Tanaka et al. 2020, arXiv 2006.05467, section 6)."""

from collections.abc import Sequence

import torch
from torch import nn

from nas.training.batches import Batch
from proxies.zero_cost.network import NORMS, backbone, doubled, identity, maps, replaced, slopes, weights


def synflow(detector: nn.Module, batches: Sequence[Batch]) -> float:
    """ln of the sum over weights of |w| dR/d|w|, R being the sum of the outputs for an image of ones with |w| for w.

    Data-free: only the shape of the batches is used. Norms are left out, as in the first use of the sum to rank
    networks (arXiv 2101.08134, section 3.2). The logarithm is ours: the sum spans a hundred decades.

    Detection: the network is the backbone, R the sum over all pixels of all its maps.
    """
    network = backbone(detector)
    image = torch.ones_like(batches[0][0][:1], dtype=torch.float64)
    with replaced(network, NORMS, identity):
        tensors = {name: x.abs() for name, x in doubled(network).items()}
        chosen = {name: tensors[name].requires_grad_() for name in weights(network)}
        flow = torch.stack([x.sum() for x in maps(network, image, tensors).values()]).sum()
    pairs = zip(chosen.values(), slopes(flow, chosen), strict=True)
    return float(torch.stack([(weight.detach() * slope).sum() for weight, slope in pairs]).sum().log())
