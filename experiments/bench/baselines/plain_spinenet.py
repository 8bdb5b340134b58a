"""SpineNet-49 in plain PyTorch (arXiv 1912.05027; numerics of the TPU release): the baseline of the decoded one.

Modules are created in the order of the graph, so that its state dict matches the decoded backbone's entry by entry.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = {2: 64, 3: 128, 4: 256, 5: 256, 6: 256, 7: 256}
BLOCKS = (
    (2, "B", (0, 1)),
    (4, "R", (0, 1)),
    (3, "B", (2, 3)),
    (4, "B", (2, 4)),
    (6, "R", (3, 5)),
    (4, "B", (3, 5)),
    (5, "R", (6, 7)),
    (7, "R", (6, 8)),
    (5, "B", (8, 9)),
    (5, "B", (8, 10)),
    (4, "B", (5, 10)),
    (3, "B", (4, 10)),
    (5, "B", (7, 12)),
    (7, "B", (5, 14)),
    (6, "B", (12, 14)),
)
"""(level, bottleneck or residual, parents) of blocks 2 to 16; the stem has two blocks."""
OUTPUTS = (13, 12, 14, 16, 15)
RAW = {14: 11}
"""Block 14 also adds the output of block 11 without resampling."""


def conv_bn(channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, relu: bool = True) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    layers: list[nn.Module] = [conv, nn.BatchNorm2d(channels_out)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class Block(nn.Module):
    """A bottleneck or a basic residual block."""

    def __init__(self, kind: str, channels_in: int, width: int) -> None:
        super().__init__()
        self.channels = 4 * width if kind == "B" else width
        if kind == "B":
            self.body = nn.Sequential(
                conv_bn(channels_in, width), conv_bn(width, width, 3), conv_bn(width, self.channels, relu=False)
            )
        else:
            self.body = nn.Sequential(conv_bn(channels_in, width, 3), conv_bn(width, width, 3, relu=False))
        self.project = None if channels_in == self.channels else conv_bn(channels_in, self.channels, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.project is None else self.project(x)
        return functional.relu(self.body(x) + shortcut, inplace=True)


class Edge(nn.Module):
    """Squeeze the channels, resample, expand the channels."""

    def __init__(self, channels_in: int, squeezed: int, channels_out: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.squeeze = conv_bn(channels_in, squeezed)
        self.down = conv_bn(squeezed, squeezed, 3, 2) if steps > 0 else None
        self.widen = conv_bn(squeezed, channels_out, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        if self.down is not None:
            x = self.down(x)
        if self.steps > 1:
            stride = 2 ** (self.steps - 1)
            x = functional.max_pool2d(x, stride + 1, stride, ceil_mode=True)
        elif self.steps < 0:
            x = functional.interpolate(x, scale_factor=2.0**-self.steps, mode="nearest")
        widened: Tensor = self.widen(x)
        return widened


class Permuted(nn.Module):
    """A scale-permuted block with its two edges."""

    def __init__(self, edges: list[Edge], kind: str, channels: int, width: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(edges)
        self.block = Block(kind, channels, width)

    def forward(self, first: Tensor, second: Tensor, raw: Tensor | None) -> Tensor:
        left, right = self.edges
        total = left(first) + right(second)
        if raw is not None:
            total = total + raw
        x: Tensor = self.block(functional.relu(total, inplace=True))
        return x


class PlainSpineNet(nn.Module):
    """(N, 3, H, W) -> maps of levels 3 to 7; sides are multiples of 128.

    Args:
        width: multiplier of the blocks' widths, not of the stem's.
        alpha: channel reduction of an edge.
        outputs: channels of every output map.
    """

    def __init__(self, width: float = 1.0, alpha: float = 0.5, outputs: int = 256) -> None:
        super().__init__()
        widths = {level: int(base * width) for level, base in WIDTHS.items()}
        self.stem = conv_bn(3, 64, 7, 2)
        self.blocks = nn.ModuleList([Block("B", 64, widths[2]), Block("B", 4 * widths[2], widths[2])])
        made = [(2, widths[2], 4 * widths[2])] * 2
        for level, kind, parents in BLOCKS:
            target = (level, widths[level], widths[level] * (4 if kind == "B" else 1))
            sources = (made[parent] for parent in parents)
            edges = [Edge(c, int(w * alpha), target[2], level - source) for source, w, c in sources]
            self.blocks.append(Permuted(edges, kind, target[2], target[1]))
            made.append(target)
        self.ends = nn.ModuleList(conv_bn(made[i][2], outputs) for i in OUTPUTS)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = functional.max_pool2d(self.stem(images), 3, 2, ceil_mode=True)
        first, second, *permuted = self.blocks
        maps: list[Tensor] = [first(x)]
        maps.append(second(maps[0]))
        for i, ((_, _, (a, b)), block) in enumerate(zip(BLOCKS, permuted, strict=True), 2):
            maps.append(block(maps[a], maps[b], maps[RAW[i]] if i in RAW else None))
        return [end(maps[i]) for i, end in zip(OUTPUTS, self.ends, strict=True)]


def copy_state(source: nn.Module, target: nn.Module) -> None:
    """Copy weights and statistics from `source` to `target`, entry by entry in order.

    Raises:
        ValueError: the two differ in the number or the shapes of their entries.
    """
    theirs, ours = source.state_dict(), target.state_dict()
    shapes = ([tuple(tensor.shape) for tensor in state.values()] for state in (theirs, ours))
    if next(shapes) != next(shapes):
        raise ValueError("the networks do not have the same entries in the same order")
    with torch.no_grad():
        target.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
