"""What a genotype costs at a scale, counted on the meta device: no weights are allocated, nothing is computed."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.ops import DeformConv2d

from nas.detectors import build_detector
from search_spaces.genotype import Genotype, Scale
from search_spaces.ops import GenotypeError


def _deformable(images: list[int], weight: list[int], *others: object, out_shape: list[int], **_: object) -> int:
    """FLOPs of a deformable convolution: those of a plain one; sampling is not counted, as no interpolation is."""
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


_MORE = {torch.ops.torchvision.deform_conv2d: _deformable}


TRAINING_BYTES = 16
"""A parameter's own, its gradient's, and its two moments' in the optimiser."""


@dataclass(frozen=True)
class Cost:
    """Counts of one image's way through a detector, up to its losses or NMS.

    Attributes:
        parameters: weights, buffers not counted.
        trainable_parameters: those of them that training changes.
        macs: multiply-adds of convolutions and matrix products, for one image.
        activations: elements that convolutions write, for one image.
        image_size: side of the square image they are counted at, px.
    """

    parameters: int
    trainable_parameters: int
    macs: int
    activations: int
    image_size: int


def require_memory(genotype: Genotype, scale: Scale, num_classes: int) -> None:
    """Refuse a detector whose training cannot fit into this machine, before anything is allocated.

    Raises:
        GenotypeError: see `require_memory_for`; or the scale does not suit the genotype.
    """
    with torch.device("meta"):
        model = build_detector(genotype, scale, num_classes)
    require_memory_for(sum(p.numel() for p in model.parameters()))


def require_memory_for(parameters: int) -> None:
    """Refuse to train so many parameters where they cannot fit.

    Raises:
        GenotypeError: weights, gradients and optimiser would take more than the machine's memory.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if (needed := parameters * TRAINING_BYTES) > memory:
        raise GenotypeError(
            f"{parameters:,} parameters take {needed / 2**30:,.0f} GiB to train, this machine has "
            f"{memory / 2**30:,.0f} GiB: give a smaller scale"
        )


def cost(genotype: Genotype, scale: Scale, *, image_size: int, num_classes: int, frozen: Sequence[str] = ()) -> Cost:
    """Count a genotype's detector.

    Args:
        genotype: what to count.
        scale: how big.
        image_size: side of the square image, px.
        num_classes: of the head.
        frozen: "stem" and names of nodes that training is to leave alone, as publications do with pretrained stages.

    Raises:
        GenotypeError: the scale does not suit the genotype.
    """
    with torch.device("meta"):
        model = build_detector(genotype, scale, num_classes).eval()
        image = torch.empty(1, 3, image_size, image_size)
    for name in frozen:
        model.get_submodule("backbone.stem" if name == "stem" else f"backbone.nodes.node_{name}").requires_grad_(False)
    parameters = [(p.numel(), p.requires_grad) for p in model.parameters()]
    _drop_norms(model)
    activations = 0

    def add(module: nn.Module, args: object, output: Tensor) -> None:
        nonlocal activations
        activations += output.numel()

    hooks = [m.register_forward_hook(add) for m in model.modules() if isinstance(m, (nn.Conv2d, DeformConv2d))]
    with FlopCounterMode(display=False, custom_mapping=_MORE) as counter, torch.no_grad():
        model.network(image)  # type: ignore[operator]
    for hook in hooks:
        hook.remove()
    return Cost(
        parameters=sum(count for count, _ in parameters),
        trainable_parameters=sum(count for count, trained in parameters if trained),
        macs=counter.get_total_flops() // 2,
        activations=activations,
        image_size=image_size,
    )


def _drop_norms(model: nn.Module) -> None:
    """Batch norms count for nothing here, and take most of the time on the meta device."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, nn.Identity())
