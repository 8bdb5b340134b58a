"""Self-attention before a tower of the head (DSA, arXiv 2012.07630, section 3; SAGAN, arXiv 1805.08318)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.ops.part.cost import narrow_channels
from search_spaces.ops import Op


class SelfAttention(nn.Module):
    """x + gamma * attention(x), (N, C, H, W) -> (N, C, H, W), with gamma starting at zero.

    Queries and keys have C / reduction channels, values C; the scores are divided by sqrt(C), as released.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        narrow = narrow_channels(channels, reduction)
        self.query = nn.Conv2d(channels, narrow, 1)
        self.key = nn.Conv2d(channels, narrow, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(()))
        for conv in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (conv(x).flatten(2).transpose(1, 2) for conv in (self.query, self.key, self.value))
        out = functional.scaled_dot_product_attention(query, key, value, scale=x.shape[1] ** -0.5)
        return x + self.gamma * out.transpose(1, 2).reshape(x.shape)


class PyramidAttention(nn.Module):
    """Separate self-attention at each level from `min_level` on; finer maps pass unchanged."""

    def __init__(self, op: Op, channels: int, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            SelfAttention(channels, op["reduction"]) if level >= op["min_level"] else nn.Identity() for level in levels
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        return [attention(x) for attention, x in zip(self.levels, maps, strict=True)]
