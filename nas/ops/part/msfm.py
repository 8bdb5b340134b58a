"""The multi-scale fusion module (MSFM, OpenReview 6IVdytR2W90, section 3)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.ops.part.cost import branch_depth, hidden_channels, inner_side
from search_spaces.ops import Op


class Msfm(nn.Module):
    """x + U(C[F_1(S x), ..., F_n(S x)]), (N, C, H, W) -> (N, C, H, W).

    S reduces C to h = C / ratio channels. F_i resizes by scale i, runs `convs` 3x3 convolutions with GroupNorm and
    ReLU, and resizes back, both bilinearly; with `deepen` 'enlarging' only branches of a scale above 1 run more than
    one. C adds or concatenates. U restores C channels; the gain of its norm starts at zero, so that the module starts
    as the identity. Convolutions have biases, and a norm follows S and U: the parameter counts of this form agree with
    the paper's.
    """

    def __init__(self, op: Op, channels: int) -> None:
        super().__init__()
        hidden = hidden_channels(op, channels)
        groups = op["groups"]
        self.scales = tuple(op["scales"])
        self.fusion = op["fusion"]
        self.reduce = nn.Sequential(nn.Conv2d(channels, hidden, 1), _norm(groups, hidden))
        self.branches = nn.ModuleList(_branch(hidden, groups, branch_depth(op, scale)) for scale in self.scales)
        merged = hidden * (len(self.scales) if self.fusion == "cat" else 1)
        last = _norm(groups, channels)
        nn.init.zeros_(last.weight)
        self.restore = nn.Sequential(nn.Conv2d(merged, channels, 1), last)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        maps = [_resized(branch, reduced, scale) for branch, scale in zip(self.branches, self.scales, strict=True)]
        merged = torch.cat(maps, 1) if self.fusion == "cat" else torch.stack(maps).sum(0)
        return x + self.restore(merged)


def _resized(branch: nn.Module, x: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return branch(x)
    size = x.shape[-2:]
    inner = [inner_side(side, scale) for side in size]
    x = branch(functional.interpolate(x, size=inner, mode="bilinear", align_corners=False))
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


def _branch(hidden: int, groups: int, convs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(convs):
        layers += [nn.Conv2d(hidden, hidden, 3, padding=1), _norm(groups, hidden), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class _GroupNorm(nn.GroupNorm):
    """GroupNorm that also accepts maps of one pixel, which torch rejects if each channel is a group."""

    def forward(self, input: Tensor) -> Tensor:
        return torch.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


def _norm(groups: int, channels: int) -> nn.GroupNorm:
    """GroupNorm of `groups` groups, or of their greatest common divisor with the channels."""
    return _GroupNorm(math.gcd(groups, channels), channels)
