"""Overhead of ASFF over plain sums in the same network: `python -m experiments.bench.asff_overhead [--train]`.

Times yolov3-asff without its head, against the genotype with each ASFF node fused by a sum and the same resampling.
The fusions are timed alone too, on their actual inputs, since their cost is below the noise of a whole pass. Times on a
CPU are processor time: in wall time other processes would slow long passes more than the short fusions.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from experiments.bench.interleaved import DEVICE, autocast, clock, interleaved, place
from experiments.bench.train_step import stepper
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--train", action="store_true", help="time a training step (forward, backward, SGD) instead of inference"
    )
    parser.add_argument("--compile", action="store_true", help="compile the fusions with torch.compile")
    parser.add_argument("--image-size", type=int, default=256, help="image size in px, a multiple of 32")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--width", type=float, default=0.25, help="width multiplier")
    parser.add_argument("--device", default="cpu", help=DEVICE)
    options = parser.parse_args()
    genotype, scale = zoo("yolov3-asff").genotype, Scale(width=options.width, stem=options.width)
    device = best_device(options.device)
    images = torch.rand(options.batch, 3, options.image_size, options.image_size)
    whole, parts = [], []
    for each in (genotype, summed(genotype)):
        network, given = place(decode(each, scale).train(options.train), images, device)
        found = fusions(network, given, [node.name for node in genotype.nodes if node.fuse.name == "asff"])
        if options.compile:
            for fuse, _ in found:
                fuse.compile()
        whole.append(stepper(network, given, mean_square) if options.train else inference(network, given))
        parts.append(alone(found, given, train=options.train))
    now = time.process_time if device == "cpu" else clock
    passes, fused = (interleaved(asff, plain, options.rounds, now) for asff, plain in (whole, parts))
    cost_ms, sum_ms = fused.first * 1e3, fused.second * 1e3
    print(f"asff over sum: {passes}, {torch.get_num_threads()} threads")
    share = (fused.first - fused.second) / passes.second
    print(f"fusions alone: {cost_ms:.2f} ms against {sum_ms:.2f} ms, {share:.2%} of the pass by sums")


if __name__ == "__main__":
    main()
