"""A training step of decoded detectors against hand-written ones: `python -m experiments.bench.train_step`.

Forward, losses, backward and SGD with equal weights, interleaved. Head and losses are the same modules on both sides;
backbone and neck are decoded on one side and hand-written on the other.
"""

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from experiments.bench.baselines.plain_spinenet import PlainSpineNet, copy_state
from experiments.bench.baselines.plain_yolov3_asff import PlainYolov3Asff
from experiments.bench.interleaved import autocast, interleaved, place
from experiments.commands.arguments import run
from nas.detectors import build_detector
from nas.training.device import best_device
from search_spaces.genotype import Scale
from search_spaces.zoo import zoo

Name = Literal["spinenet-49", "yolov3-asff"]
PLAIN: dict[Name, Callable[[float], nn.Module]] = {
    "spinenet-49": PlainSpineNet,
    "yolov3-asff": PlainYolov3Asff,
}
"""Zoo entry -> the hand-written backbone that equals its own."""


Loss = Callable[[nn.Module, Tensor], Tensor]


class PlainBackbone(nn.Module):
    """A hand-written network with the interface of a decoded backbone."""

    def __init__(self, network: nn.Module, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.levels = network, levels

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        return OrderedDict((f"p{level}", x) for level, x in zip(self.levels, self.network(images), strict=True))


def pair(name: Name, width: float = 1.0) -> tuple[nn.Module, nn.Module]:
    """The decoded detector and the one with the hand-written backbone, with equal weights.

    Raises:
        ValueError: the backbones are not the same network.
    """
    entry = zoo(name)
    stem = width if name == "yolov3-asff" else 1.0  # SpineNet's stem keeps its width
    decoded = build_detector(entry.genotype, Scale(width=width, stem=stem), entry.num_classes)
    by_hand = PLAIN[name](width)
    copy_state(decoded.get_submodule("backbone"), by_hand)
    plain = copy.deepcopy(decoded)
    plain.backbone = PlainBackbone(by_hand, entry.genotype.levels)
    assert sum(p.numel() for p in decoded.parameters()) == sum(p.numel() for p in plain.parameters())
    return decoded, plain


def total_loss(detector: nn.Module, images: Tensor) -> Tensor:
    """The sum of a detector's losses on images (N, 3, H, W) with two objects each."""
    boxes = torch.tensor([[0.1, 0.2, 0.4, 0.6], [0.3, 0.1, 0.9, 0.8]], device=images.device) * images.shape[-1]
    target = {"boxes": boxes, "labels": torch.tensor([1, 2], device=images.device)}
    losses: dict[str, Tensor] = detector(images, [target] * len(images))
    return torch.stack(tuple(losses.values())).sum()


def stepper(network: nn.Module, images: Tensor, loss: Loss) -> Callable[[], None]:
    """A function that runs one training step."""
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-5, momentum=0.9)

    def step() -> None:
        with autocast(images):
            value = loss(network, images)
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def main(
    *,
    only: Name | None = None,
    image_size: int = 256,
    batch: int = 2,
    rounds: int = 15,
    width: float = 1.0,
    device: str = "cpu",
) -> None:
    """Print the ratio of the step's times for each zoo entry.

    Args:
        only: zoo entry; by default all.
        image_size: image size in px, a multiple of 128.
        batch: images per step.
        rounds: interleaved steps of each detector.
        width: width multiplier.
        device: cpu or cuda; cuda runs in channels-last and bfloat16, as training does.
    """
    device = best_device(device)
    images = torch.rand(batch, 3, image_size, image_size)
    for name in [only] if only else PLAIN:
        decoded, plain = (stepper(*place(net.train(), images, device), total_loss) for net in pair(name, width))
        print(f"{name:12} {interleaved(decoded, plain, rounds)}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    run(main, __doc__)
