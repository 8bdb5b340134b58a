"""Global attention, the second merging operator of NAS-FPN (arXiv 1904.07392, section 3.2, Figure 3)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.ops.common import Build, activation
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


class Attention(nn.Module):
    """N maps (B, C, H, W) -> first + sigmoid(global max of first) * second + the others, activated.

    In NAS-FPN the first map is the coarser one: its strongest responses gate the channels of the second.
    """

    def __init__(self, op: Op, inputs: Sequence[MapSpec], build: Build) -> None:
        super().__init__()
        self.act = activation(op["act"])

    def forward(self, maps: list[Tensor]) -> Tensor:
        first, second, *others = maps
        total = torch.addcmul(first, second, first.amax((2, 3), keepdim=True).sigmoid())
        for x in others:
            total = total + x
        return self.act(total)
