"""torch, as used by `nas/count.py`, and timm's backbones."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.contracts.canaries.canary import canary, found, source, takes


@canary("torch.utils._python_dispatch.TorchDispatchMode", "nas/count.py", "sees every operator call inside it")
def _() -> None:
    seen: list[str] = []

    class Mode(found("torch.utils._python_dispatch.TorchDispatchMode")):  # type: ignore[misc]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    with Mode():
        torch.ones(2) + 1
    assert "add" in seen


@canary("torch.utils._pytree.tree_iter", "nas/count.py", "yields the leaves of nested arguments")
def _() -> None:
    assert list(found("torch.utils._pytree.tree_iter")(([1, (2,)], {"key": 3}))) == [1, 2, 3]


@canary("torch.UntypedStorage._cdata", "nas/count.py", "equal for views of one storage, and for no others")
def _() -> None:
    x = torch.ones(4)

    def address(tensor: Tensor) -> int:
        return int(tensor.untyped_storage()._cdata)

    assert address(x) == address(x[1:]) != address(torch.ones(4))


@canary(
    "timm.create_model(pretrained_cfg_overlay)",
    "nas/ops/stem/timm.py",
    "a configuration whose `state_dict` is loaded instead of a download, and `feature_info` with indices and strides",
)
def _() -> None:
    timm = pytest.importorskip("timm")
    takes("timm.create_model", "pretrained", "pretrained_cfg_overlay")()
    assert "state_dict" in source("timm.models._builder")
    with torch.device("meta"):
        info = timm.create_model("resnet18", features_only=True, pretrained=False).feature_info
    assert list(zip(info.out_indices, info.reduction(), info.channels(), strict=True))[-1] == (4, 32, 512)
    assert timm.models.get_pretrained_cfg("resnet18").classifier == "fc"
