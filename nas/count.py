"""Cost of a module, measured while it runs: for modules without a formula, and to check the formulas."""

import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode
from torchvision.ops import DeformConv2d


def _deformable(images: list[int], weight: list[int], *others: object, out_shape: list[int], **_: object) -> int:
    """FLOPs of a deformable convolution: a plain one's; sampling, like every interpolation, is not counted."""
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


_DEFORMABLE_FLOPS = {torch.ops.torchvision.deform_conv2d: _deformable}


def counted(module: nn.Module, run: Callable[..., object], *inputs: object) -> tuple[int, int, int]:
    """Measure the cost of `run(*inputs)`, a pass of one image through the module, without gradients.

    On the meta device nothing is allocated.

    Returns:
        Parameters, multiply-adds of convolutions and matrix products, and elements that convolutions write, transposed
        and deformable ones included.
    """
    written = 0

    def add(module: nn.Module, args: object, output: Tensor) -> None:
        nonlocal written
        written += output.numel()

    convolutions = nn.Conv2d, nn.ConvTranspose2d, DeformConv2d
    hooks = [m.register_forward_hook(add) for m in module.modules() if isinstance(m, convolutions)]
    with FlopCounterMode(display=False, custom_mapping=_DEFORMABLE_FLOPS) as counter, torch.no_grad():
        run(*inputs)
    for hook in hooks:
        hook.remove()
    return sum(p.numel() for p in module.parameters()), counter.get_total_flops() // 2, written


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tracks the storages of tensors created inside the context, until their last reference is dropped.

    Attributes:
        now: live bytes.
        peak: maximum of the live bytes.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {x.untyped_storage()._cdata for x in tree_iter((args, kwargs)) if isinstance(x, Tensor)}
        for x in tree_iter(out):
            if isinstance(x, Tensor) and (storage := x.untyped_storage())._cdata not in given:
                given.add(storage._cdata)
                self._add(storage.nbytes())
                weakref.finalize(storage, self._add, -storage.nbytes())
        return out

    def _add(self, count: int) -> None:
        self.now += count
        self.peak = max(self.peak, self.now)
