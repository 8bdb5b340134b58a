"""A training step of decoded backbones against the same by hand: `python -m experiments.bench.train_step`.

Forward, backward and SGD, equal weights, in turns; the loss is the mean square of the outputs.
"""

import argparse
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from experiments.bench.interleaved import DEVICE, autocast, interleaved, place
from experiments.bench.plain_spinenet import PlainSpineNet, copy_state
from experiments.bench.plain_yolov3_asff import PlainYolov3Asff
from nas.decode import decode
from nas.training.device import best_device
from search_spaces.genotype import Scale
from search_spaces.zoo import zoo

PLAIN: dict[str, Callable[[float], nn.Module]] = {
    "spinenet-49": PlainSpineNet,
    "yolov3-asff": PlainYolov3Asff,
}
"""By the zoo entry whose backbone it equals."""


def pair(name: str, width: float = 1.0) -> tuple[nn.Module, nn.Module]:
    """The decoded backbone and the plain one with its weights, of equally many parameters.

    Raises:
        ValueError: they are not the same network.
    """
    stem = width if name == "yolov3-asff" else 1.0  # SpineNet's stem keeps its width
    scale = Scale(width=width, stem=stem, output_width=256)
    decoded, plain = decode(zoo(name).genotype, scale), PLAIN[name](width)
    copy_state(decoded, plain)
    assert sum(p.numel() for p in decoded.parameters()) == sum(p.numel() for p in plain.parameters())
    return decoded, plain


def outputs(network: nn.Module, images: Tensor) -> list[Tensor]:
    """The maps, finest first."""
    maps: dict[str, Tensor] | Iterable[Tensor] = network(images)
    return list(maps.values() if isinstance(maps, dict) else maps)


def stepper(network: nn.Module, images: Tensor) -> Callable[[], None]:
    """One training step at a call."""
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)

    def step() -> None:
        with autocast(images):
            loss = torch.stack([x.square().mean() for x in outputs(network, images)]).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PLAIN, help="default: all")
    parser.add_argument("--image-size", type=int, default=256, help="px, a multiple of 128")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--width", type=float, default=1.0, help="multiplier of the widths")
    parser.add_argument("--device", default="cpu", help=DEVICE)
    options = parser.parse_args()
    device = best_device(options.device)
    images = torch.rand(options.batch, 3, options.image_size, options.image_size)
    for name in [options.only] if options.only else PLAIN:
        decoded, plain = (stepper(*place(net.train(), images, device)) for net in pair(name, options.width))
        print(f"{name:12} {interleaved(decoded, plain, options.rounds)}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
