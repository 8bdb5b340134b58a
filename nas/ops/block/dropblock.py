"""DropBlock: noise that removes squares of a map in training (arXiv 1810.12890, section 3)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.ops.common import Build
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


class DropBlock(nn.Module):
    """Zero whole squares of each channel and scale up the rest, (N, C, H, W) -> the same shape; identity in evaluation.

    `sizes[i]` is the side of the squares from epoch `starts[i]` on; before the first start nothing is dropped, and the
    last size stays. A side larger than the map is cut to it. The rate follows the map at hand, where the released
    code keeps that of the first image size it sees.

    Attributes:
        epoch: how far the training is; set by `set_epoch`.
    """

    def __init__(self, op: Op, entry: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()
        self.sizes, self.starts, self.keep = op["sizes"], op["starts"], op["keep"]
        self.epoch = 0

    @property
    def size(self) -> int:
        """Side of the squares at this epoch; 0 while nothing is dropped."""
        passed = sum(self.epoch >= start for start in self.starts)
        return self.sizes[min(passed, len(self.sizes)) - 1] if passed else 0

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.size and self.keep < 1):
            return x
        height, width = x.shape[-2:]
        shorter = min(height, width)
        side = min(self.size, shorter - (shorter + 1) % 2)
        rows, columns = height - side + 1, width - side + 1
        rate = (1 - self.keep) / side**2 * height * width / (rows * columns)
        corners = (torch.rand_like(x[..., :rows, :columns]) < rate).to(x.dtype)
        kept = 1 - functional.max_pool2d(functional.pad(corners, [side - 1] * 4), side, 1)
        return x * kept * (kept.numel() / kept.sum().clamp(min=1))


def set_epoch(model: nn.Module, epoch: int) -> None:
    """Tell every DropBlock of a model how many epochs it has been trained for."""
    for module in model.modules():
        if isinstance(module, DropBlock):
            module.epoch = epoch
