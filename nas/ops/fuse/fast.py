"""Fast normalised fusion (EfficientDet, arXiv 1911.09070, section 3.3)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nas.ops.common import Build, activation
from nas.ops.maps import MapSpec
from search_spaces.ops import Op

EPSILON = 1e-4


class FastNormalised(nn.Module):
    """N maps (B, C, H, W) -> sum of w_i x_i / (sum of w + 1e-4) with one learnt w_i >= 0 per map, activated."""

    def __init__(self, op: Op, inputs: Sequence[MapSpec], build: Build) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(len(inputs)))
        self.act = activation(op["act"])

    def forward(self, maps: list[Tensor]) -> Tensor:
        weight = self.weight.relu()
        weight = weight / (weight.sum() + EPSILON)
        total = maps[0] * weight[0]
        for i, x in enumerate(maps[1:], 1):
            total = torch.addcmul(total, x, weight[i])
        return self.act(total)
