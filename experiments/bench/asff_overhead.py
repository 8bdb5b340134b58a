"""Overhead of ASFF over plain sums in the same network: `python -m experiments.bench.asff_overhead [--train]`.

Times yolov3-asff without its head, against the genotype with each ASFF node fused by a sum and the same resampling.
The fusions are timed alone too, on their actual inputs, since their cost is below the noise of a whole pass. Times on a
CPU are processor time: in wall time other processes would slow long passes more than the short fusions.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from experiments.bench.interleaved import autocast, clock, interleaved, place
from experiments.bench.train_step import stepper
from experiments.commands.arguments import run
from nas.decode import decode
from nas.training.device import best_device
from search_spaces.genotype import Genotype, Scale
from search_spaces.ops import op
from search_spaces.zoo import zoo

Fusion = tuple[nn.Module, list[Tensor]]
"""A node's fuse module and its input maps."""


def summed(genotype: Genotype) -> Genotype:
    """The genotype with every ASFF fuse replaced by a sum."""
    nodes = (
        replace(node, fuse=op("sum", act=node.fuse["act"])) if node.fuse.name == "asff" else node
        for node in genotype.nodes
    )
    return replace(genotype, nodes=tuple(nodes))


def fusions(network: nn.Module, images: Tensor, names: list[str]) -> list[Fusion]:
    """The fuse modules of the named nodes, with their inputs recorded in a pass over the images."""
    found: list[Fusion] = []

    def keep(fuse: nn.Module, given: tuple[list[Tensor]]) -> None:
        found.append((fuse, [x.clone().requires_grad_() for x in given[0]]))

    hooks = [network.get_submodule(f"nodes.node_{name}.fuse").register_forward_pre_hook(keep) for name in names]
    with torch.no_grad(), autocast(images):
        network(images)
    for hook in hooks:
        hook.remove()
    return found


def inference(network: nn.Module, images: Tensor) -> Callable[[], None]:
    """A function that runs one forward pass."""

    def run() -> None:
        with torch.inference_mode(), autocast(images):
            network(images)

    return run


def alone(found: list[Fusion], images: Tensor, *, train: bool) -> Callable[[], None]:
    """A function that runs only the fusions: forward, and in training backward."""

    def run() -> None:
        for fuse, maps in found:
            with torch.inference_mode(not train), autocast(images):
                made = fuse(maps)
            if train:
                torch.autograd.grad(made, [*maps, *fuse.parameters()], torch.ones_like(made))

    return run


def mean_square(network: nn.Module, images: Tensor) -> Tensor:
    """The mean square of all outputs, as a loss."""
    return torch.stack([x.square().mean() for x in network(images).values()]).sum()


def main(
    *,
    train: bool = False,
    compile: bool = False,
    image_size: int = 256,
    batch: int = 1,
    rounds: int = 30,
    width: float = 0.25,
    device: str = "cpu",
) -> None:
    """Print the ratio of the passes, and the times of the fusions alone.

    Args:
        train: time a training step (forward, backward, SGD) instead of inference.
        compile: compile the fusions with torch.compile.
        image_size: image size in px, a multiple of 32.
        batch: images per pass.
        rounds: interleaved passes of each network.
        width: width multiplier.
        device: cpu or cuda; cuda runs in channels-last and bfloat16, as training does.
    """
    genotype, scale = zoo("yolov3-asff").genotype, Scale(width=width, stem=width)
    device = best_device(device)
    images = torch.rand(batch, 3, image_size, image_size)
    whole, parts = [], []
    for each in (genotype, summed(genotype)):
        network, given = place(decode(each, scale).train(train), images, device)
        found = fusions(network, given, [node.name for node in genotype.nodes if node.fuse.name == "asff"])
        if compile:
            for fuse, _ in found:
                fuse.compile()
        whole.append(stepper(network, given, mean_square) if train else inference(network, given))
        parts.append(alone(found, given, train=train))
    now = time.process_time if device == "cpu" else clock
    passes, fused = (interleaved(asff, plain, rounds, now) for asff, plain in (whole, parts))
    cost_ms, sum_ms = fused.first * 1e3, fused.second * 1e3
    print(f"asff over sum: {passes}, {torch.get_num_threads()} threads")
    share = (fused.first - fused.second) / passes.second
    print(f"fusions alone: {cost_ms:.2f} ms against {sum_ms:.2f} ms, {share:.2%} of the pass by sums")


if __name__ == "__main__":
    run(main, __doc__)
