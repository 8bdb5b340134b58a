"""DSA (arXiv 2012.07630): the attention blocks of its released code."""

import torch

from experiments.published.figure import Figure
from nas.ops.part.dsa import PyramidAttention, SelfAttention
from search_spaces.ops import op


def _block() -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in SelfAttention(256, 8).parameters())


def _both_towers() -> int:
    with torch.device("meta"):
        return 2 * sum(p.numel() for p in PyramidAttention(op("dsa"), 256, (3, 4, 5, 6, 7)).parameters())


FIGURES = (
    Figure("DSA", "one block of 256 channels, parameters", 82_241, _block, note="counted from the released code"),
    Figure("DSA", "blocks of P4 to P7, both towers, parameters", 657_928, _both_towers, note="as above"),
)
