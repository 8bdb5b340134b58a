"""The towers of a RetinaNet head: convolutions that all levels share (arXiv 1708.02002, section 4)."""

from collections.abc import Callable

from torch import Tensor, nn

from nas.ops.common import activation

INIT_STD = 0.01


class Tower(nn.Module):
    """`depth` biased 3x3 convolutions over maps (N, C, H, W) of every level -> maps (N, width, H, W).

    Levels share the convolutions but not the norms, as in SpineNet's release; without `norm` there is none, as in
    torchvision and mmdet.

    Args:
        channels: channels of the input maps.
        width: channels of the output maps; `channels` if depth is 0.
        depth: number of convolutions.
        levels: number of maps.
        act: activation after each convolution.
        norm: makes the norm for a number of channels.
    """

    def __init__(
        self, channels: int, width: int, depth: int, levels: int, act: str, norm: Callable[[int], nn.Module] | None
    ) -> None:
        super().__init__()
        self.out_channels = width if depth else channels
        self.convs = nn.ModuleList(nn.Conv2d(width if i else channels, width, 3, padding=1) for i in range(depth))
        self.norms = nn.ModuleList(
            nn.ModuleList(norm(width) if norm else nn.Identity() for _ in range(depth)) for _ in range(levels)
        )
        self.act = activation(act)
        for conv in self.convs:
            nn.init.normal_(conv.get_parameter("weight"), std=INIT_STD)
            nn.init.zeros_(conv.get_parameter("bias"))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        return [self._level(x, norms) for x, norms in zip(maps, self.norms, strict=True)]

    def _level(self, x: Tensor, norms: nn.Module) -> Tensor:
        for conv, norm in zip(self.convs, norms.children(), strict=True):
            x = self.act(norm(conv(x)))
        return x
