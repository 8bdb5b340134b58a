"""Untrained networks looked at in ways their owner does not notice: whatever is changed is put back."""

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
"""A detector and batches of data -> its score, more being better. Leaves the detector as it was."""

M = TypeVar("M", bound=nn.Module)

NORMS = (nn.BatchNorm2d, nn.GroupNorm)
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ReLU6, nn.SiLU)
_WEIGHTED = (nn.Conv2d, nn.Linear, DeformConv2d)


def open_gates(detector: nn.Module) -> None:
    """Set every gain to one, in place.

    Blocks, fusion modules and attentions begin as the identity, with a gain of zero at their end. That helps a
    training, and hides what they are made of from whoever looks before it.
    """
    with torch.no_grad():
        for module in detector.modules():
            if isinstance(module, NORMS):
                module.weight.fill_(1)
            elif isinstance(module, SelfAttention):
                module.gamma.fill_(1)


def weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights of convolutions and linear layers by name, which saliencies are about: no biases, no norms."""
    return {f"{name}.weight": module.weight for name, module in model.named_modules() if isinstance(module, _WEIGHTED)}


def gradients(detector: nn.Module, batch: Batch, *, differentiable: bool = False) -> list[Tensor]:
    """Gradients of the detector's own training loss, summed over its terms, by each of `weights(detector)`.

    The statistics of norms stay as they are. What the loss does not reach has a gradient of zero.

    Args:
        differentiable: whether the gradients are to be differentiated once more.
    """
    buffers = {name: buffer.clone() for name, buffer in detector.named_buffers()}
    # fused attention has no second derivative
    with mode(detector, training=True), sdpa_kernel(SDPBackend.MATH):
        losses = functional_call(detector, buffers, batch)
        return slopes(torch.stack(tuple(losses.values())).sum(), weights(detector), differentiable=differentiable)


def slopes(value: Tensor, tensors: Mapping[str, Tensor], *, differentiable: bool = False) -> list[Tensor]:
    """Derivatives of a value by each tensor; zero where it does not depend on one."""
    found = torch.autograd.grad(value, tuple(tensors.values()), create_graph=differentiable, materialize_grads=True)
    return list(found)


def backbone(detector: nn.Module) -> nn.Module:
    """What makes the detector's maps."""
    return detector.get_submodule("backbone")


def normalised(detector: nn.Module, batch: Batch) -> Tensor:
    """The batch's images as the backbone sees them, (N, 3, H, W)."""
    images: Tensor = detector.get_submodule("transform")(batch[0])[0].tensors
    return images


def maps(network: nn.Module, x: Tensor, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a backbone makes of images in evaluation, with these tensors in the place of its own."""
    with mode(network, training=False):
        found: dict[str, Tensor] = functional_call(network, dict(tensors), (x,))
    return found


def doubled(network: nn.Module) -> dict[str, Tensor]:
    """Copies of a network's parameters and buffers by name, in double precision: for where no norm holds maps back."""
    tensors = (*network.named_parameters(), *network.named_buffers())
    return {name: x.detach().to(torch.float64, copy=True) for name, x in tensors}


def gaussian(network: nn.Module) -> dict[str, Tensor]:
    """The same with standard normal weights and no biases."""
    tensors = doubled(network)
    for name in weights(network):
        tensors[name].normal_()
        if (bias := name.removesuffix("weight") + "bias") in tensors:
            tensors[bias].zero_()
    return tensors


@contextmanager
def replaced(model: nn.Module, kinds: tuple[type[M], ...], substitute: Callable[[M], nn.Module]) -> Iterator[None]:
    """Have `substitute(module)` in the place of every module of these kinds, for as long as this lasts.

    Modules with parts of their own stay: a foreign backbone's norm may hold its activation.
    """
    places = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, kinds) and not any(child.children())
    ]
    for parent, name, child in places:
        setattr(parent, name, substitute(child))
    try:
        yield
    finally:
        for parent, name, child in places:
            setattr(parent, name, child)


def nothing(module: nn.Module) -> nn.Module:
    """The substitute that hands on what it gets."""
    return nn.Identity()


@contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Have the model in training or in evaluation, for as long as this lasts."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was


class BatchStatistics(nn.Module):
    """A batch norm that takes the mean and variance of its batch for constants, in evaluation too.

    Maps are those of training, and yet no image's gradient passes through another image.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x.detach(), (0, 2, 3), correction=0)
        return functional.batch_norm(x, mean, variance, self.weight, self.bias, eps=self.eps)
