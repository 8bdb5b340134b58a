"""Temporary changes to an untrained network (norms, activations, weights, mode), undone on exit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torchvision.ops import DeformConv2d

from nas.ops.part.dsa import SelfAttention
from nas.training.batches import Batch

Score = Callable[[nn.Module, Sequence[Batch]], float]
"""(detector, batches of data) -> score, higher is better. Leaves the detector unchanged."""

M = TypeVar("M", bound=nn.Module)

NORMS = (nn.BatchNorm2d, nn.GroupNorm)
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ReLU6, nn.SiLU)
_WEIGHTED = (nn.Conv2d, nn.Linear, DeformConv2d)


def open_gates(detector: nn.Module) -> None:
    """Set every gain to one, in place.

    Blocks, fusion modules and attentions are initialised to the identity, by a final gain of zero. That helps
    training, but hides their operators from a score of the untrained network.
    """
    with torch.no_grad():
        for module in detector.modules():
            if isinstance(module, NORMS):
                module.weight.fill_(1)
            elif isinstance(module, SelfAttention):
                module.gamma.fill_(1)


def weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights of convolutions and linear layers by name, without biases and norms: those saliencies sum over."""
    return {f"{name}.weight": module.weight for name, module in model.named_modules() if isinstance(module, _WEIGHTED)}


def gradients(detector: nn.Module, batch: Batch, *, differentiable: bool = False) -> list[Tensor]:
    """Gradients of the detector's training loss, summed over its terms, with respect to `weights(detector)`.

    Running statistics of norms are not updated. Weights that the loss does not depend on have zero gradients.

    Args:
        differentiable: keep the graph, for second derivatives.
    """
    buffers = {name: buffer.clone() for name, buffer in detector.named_buffers()}
    # fused attention has no second derivative
    with mode(detector, training=True), sdpa_kernel(SDPBackend.MATH):
        losses = functional_call(detector, buffers, batch)
        return slopes(torch.stack(tuple(losses.values())).sum(), weights(detector), differentiable=differentiable)


def slopes(value: Tensor, tensors: Mapping[str, Tensor], *, differentiable: bool = False) -> list[Tensor]:
    """Gradients of a value with respect to each tensor; zero if it does not depend on it."""
    found = torch.autograd.grad(value, tuple(tensors.values()), create_graph=differentiable, materialize_grads=True)
    return list(found)


def backbone(detector: nn.Module) -> nn.Module:
    """The part of the detector that computes the feature maps."""
    return detector.get_submodule("backbone")


def normalised(detector: nn.Module, batch: Batch) -> Tensor:
    """The batch's images, normalised for the backbone, (N, 3, H, W)."""
    images: Tensor = detector.get_submodule("transform")(batch[0])[0].tensors
    return images


def maps(network: nn.Module, x: Tensor, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The backbone's feature maps in evaluation mode, with `tensors` in place of its own parameters and buffers."""
    with mode(network, training=False):
        found: dict[str, Tensor] = functional_call(network, dict(tensors), (x,))
    return found


def doubled(network: nn.Module) -> dict[str, Tensor]:
    """Copies of a network's parameters and buffers by name, in double precision, since maps grow without norms."""
    tensors = (*network.named_parameters(), *network.named_buffers())
    return {name: x.detach().to(torch.float64, copy=True) for name, x in tensors}


def gaussian(network: nn.Module) -> dict[str, Tensor]:
    """`doubled` with standard normal weights and zero biases."""
    tensors = doubled(network)
    for name in weights(network):
        tensors[name].normal_()
        if (bias := name.removesuffix("weight") + "bias") in tensors:
            tensors[bias].zero_()
    return tensors


@contextmanager
def replaced(model: nn.Module, kinds: tuple[type[M], ...], substitute: Callable[[M], nn.Module]) -> Iterator[None]:
    """Replace every module of these kinds by `substitute(module)` inside the context.

    Modules with children are kept: the norm of a foreign backbone may contain its activation.
    """
    replacements = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, kinds) and not any(child.children())
    ]
    for parent, name, child in replacements:
        setattr(parent, name, substitute(child))
    try:
        yield
    finally:
        for parent, name, child in replacements:
            setattr(parent, name, child)


def identity(module: nn.Module) -> nn.Module:
    """Substitute: the identity."""
    return nn.Identity()


@contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Put the model into training or evaluation mode inside the context."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was


class BatchStatistics(nn.Module):
    """A batch norm that uses the batch's mean and variance in any mode, and treats them as constants.

    The maps equal those in training mode, but no gradient flows from one image to another.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x.detach(), (0, 2, 3), correction=0)
        return functional.batch_norm(x, mean, variance, self.weight, self.bias, eps=self.eps)
