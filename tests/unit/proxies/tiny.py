"""Detectors small enough to compute by hand."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from nas.detectors.transform import BatchTransform


class Backbone(nn.Module):
    """Sequential layers, whose last map is returned under all given names."""

    def __init__(self, *layers: nn.Module, names: tuple[str, ...] = ("p3",)) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)
        self.names = names

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        y = self.body(x)
        return OrderedDict((name, y) for name in self.names)


class Tiny(nn.Module):
    """A detector whose loss is half the squared distance of the last map from its target."""

    def __init__(self, *layers: nn.Module, names: tuple[str, ...] = ("p3",)) -> None:
        super().__init__()
        self.backbone = Backbone(*layers, names=names)
        self.transform = BatchTransform(800, 1333, [0.0] * 3, [1.0] * 3)

    def forward(self, images: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        distance = self.backbone(images)["p3"] - torch.stack([target["map"] for target in targets])
        return {"half": distance.square().sum() / 4, "other_half": distance.square().sum() / 4}


def conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    """A 1x1 convolution with weights drawn from torch's global generator."""
    return nn.Conv2d(channels_in, channels_out, 1, bias=False)


def batch(channels: int, count: int, *, seed: int, side: int = 1) -> Any:
    """A `Batch` whose targets are maps (count, channels, side, side); images and maps are standard normal."""
    draw = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, side, side, generator=draw)
    return images, [{"map": torch.randn(channels, side, side, generator=draw)} for _ in range(count)]
