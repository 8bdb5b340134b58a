"""DropBlock: regularisation that zeroes squares of a map in training (arXiv 1810.12890, section 3)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.ops.common import Build
from nas.ops.maps import MapSpec
from search_spaces.ops import Op


class DropBlock(nn.Module):
    """Zero random squares of each channel and rescale the rest, (N, C, H, W) -> the same shape; identity in evaluation.

    `sizes[i]` is the side of the squares from epoch `starts[i]` on; nothing is dropped before the first start, and the
    last size is kept. A side larger than the map is cut to it. The rate follows the size of the current map; the
    released code keeps the rate of the first image size.

    Attributes:
        epoch: number of finished epochs, set by `set_epoch`.
    """

    def __init__(self, op: Op, entry: MapSpec, target: MapSpec, build: Build) -> None:
        super().__init__()
        self.sizes, self.starts, self.keep = op["sizes"], op["starts"], op["keep"]
        self.epoch = 0

    @property
    def size(self) -> int:
        """Side of the squares at the current epoch; 0 before the first start."""
        started = sum(self.epoch >= start for start in self.starts)
        return self.sizes[min(started, len(self.sizes)) - 1] if started else 0

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
    """Set the number of finished epochs in every DropBlock of a model."""
    for module in model.modules():
        if isinstance(module, DropBlock):
            module.epoch = epoch
