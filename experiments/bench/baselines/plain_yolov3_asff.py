"""Darknet-53, SPP, YOLOv3's neck and ASFF in plain PyTorch (arXiv 1911.09516): the baseline of the decoded one.

Modules are created in the order of the graph, so that its state dict matches the decoded backbone's entry by entry.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGES = ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))
COMPRESS = 16


def conv_bn(channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.LeakyReLU(0.1, inplace=True),
    )


class Unit(nn.Module):
    """Darknet's residual block of two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_bn(channels, channels // 2), conv_bn(channels // 2, channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = x + self.body(x)
        return total


class Spp(nn.Module):
    """Spatial pyramid pooling: max pools of 1, 5, 9 and 13 px, and a 1x1 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = conv_bn(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        pools = [functional.max_pool2d(x, size, 1, size // 2) for size in (5, 9, 13)]
        mixed: Tensor = self.conv(torch.cat([x, *pools], 1))
        return mixed


class Fuse(nn.Module):
    """ASFF: maps of levels 5, 4 and 3, resampled to one level and weighted per pixel."""

    def __init__(self, level: int, sources: tuple[int, int, int], channels: int) -> None:
        super().__init__()
        self.level = level
        self.resize = nn.ModuleList(
            conv_bn(source, channels, 3, 2)
            if level > at
            else (conv_bn(source, channels) if source != channels else nn.Identity())
            for at, source in zip((5, 4, 3), sources, strict=True)
        )
        self.compress = nn.ModuleList(conv_bn(channels, COMPRESS) for _ in range(3))
        self.score = nn.Conv2d(3 * COMPRESS, 3, 1)

    def forward(self, maps: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        arrived = []
        for at, resize, x in zip((5, 4, 3), self.resize, maps, strict=True):
            if self.level - at == 2:
                x = functional.max_pool2d(x, 3, 2, 1)
            x = resize(x)
            if at > self.level:
                x = functional.interpolate(x, scale_factor=2.0 ** (at - self.level), mode="nearest")
            arrived.append(x)
        compressed = [conv(x) for conv, x in zip(self.compress, arrived, strict=True)]
        weights = self.score(torch.cat(compressed, 1)).softmax(1)
        a, b, c = arrived
        total: Tensor = a * weights[:, 0:1] + b * weights[:, 1:2] + c * weights[:, 2:3]
        return total


class PlainYolov3Asff(nn.Module):
    """(N, 3, H, W) -> maps of levels 3, 4 and 5 that the head reads; sides are multiples of 32.

    Args:
        width: multiplier of all widths except ASFF's compressed channels.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()

        def c(base: int) -> int:
            return int(base * width)

        self.stem = conv_bn(3, c(32), 3)
        self.stages = nn.ModuleList()
        before = 32
        for base, units in STAGES:
            self.stages.append(nn.Sequential(conv_bn(c(before), c(base), 3, 2), *(Unit(c(base)) for _ in range(units))))
            before = base
        self.coarse = nn.Sequential(
            conv_bn(c(1024), c(512)),
            conv_bn(c(512), c(1024), 3),
            conv_bn(c(1024), c(512)),
            Spp(c(512)),
            conv_bn(c(512), c(1024), 3),
            conv_bn(c(1024), c(512)),
        )
        self.up5 = conv_bn(c(512), c(256))
        self.middle = self._mix(c(256) + c(512), c(256), c(512))
        self.up4 = conv_bn(c(256), c(128))
        self.fine = self._mix(c(128) + c(256), c(128), c(256))
        self.widen = conv_bn(c(128), c(256), 3)
        sources = (c(512), c(256), c(256))
        self.fuse3 = Fuse(3, sources, c(256))
        self.out3 = conv_bn(c(256), c(256), 3)
        self.fuse4 = Fuse(4, sources, c(256))
        self.out4 = conv_bn(c(256), c(512), 3)
        self.fuse5 = Fuse(5, sources, c(512))
        self.out5 = conv_bn(c(512), c(1024), 3)

    @staticmethod
    def _mix(joined: int, width: int, double: int) -> nn.Sequential:
        return nn.Sequential(
            conv_bn(joined, width),
            conv_bn(width, double, 3),
            conv_bn(double, width),
            conv_bn(width, double, 3),
            conv_bn(double, width),
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.stem(images)
        taps = []
        for stage in self.stages:
            x = stage(x)
            taps.append(x)
        coarse = self.coarse(taps[4])
        up = functional.interpolate(self.up5(coarse), scale_factor=2.0, mode="nearest")
        middle = self.middle(torch.cat([up, taps[3]], 1))
        up = functional.interpolate(self.up4(middle), scale_factor=2.0, mode="nearest")
        maps = coarse, middle, self.widen(self.fine(torch.cat([up, taps[2]], 1)))
        return [self.out3(self.fuse3(maps)), self.out4(self.fuse4(maps)), self.out5(self.fuse5(maps))]
