"""DropBlock: schedule, dropped share and shape."""

import pytest
import torch

from nas.ops.block.dropblock import DropBlock, set_epoch
from nas.ops.common import Build
from nas.ops.maps import MapSpec
from search_spaces.genotype import Scale
from search_spaces.ops import op

SPEC = MapSpec(5, 64, 64)


def dropblock(**attributes: object) -> DropBlock:
    return DropBlock(op("dropblock", **attributes), SPEC, SPEC, Build(Scale())).train()


def test_dropblock_size_follows_the_epoch() -> None:
    module = dropblock(sizes=(1, 3, 7), starts=(5, 80, 150))
    sizes = {}
    for epoch in (0, 4, 5, 79, 80, 150, 1000):
        set_epoch(torch.nn.Sequential(module), epoch)
        sizes[epoch] = module.size
    assert sizes == {0: 0, 4: 0, 5: 1, 79: 1, 80: 3, 150: 7, 1000: 7}


def test_dropblock_keeps_the_last_size() -> None:
    module = dropblock(sizes=(3,), starts=(0, 10))
    assert module.size == 3
    module.epoch = 20
    assert module.size == 3


def test_dropblock_is_the_identity_in_evaluation_and_before_its_start() -> None:
    x = torch.randn(2, 64, 9, 9)
    assert torch.equal(dropblock()(x), x)
    assert torch.equal(dropblock(starts=(0,)).eval()(x), x)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_dropblock_drops_squares_and_keeps_the_mean(size: int) -> None:
    torch.manual_seed(0)
    x = torch.ones(8, 64, 19, 19)
    made = dropblock(sizes=(size,), starts=(0,))(x)
    dropped = (made == 0).float()
    assert made.mean().item() == pytest.approx(1, abs=1e-4)
    assert 0.06 < dropped.mean() < 0.12  # nominally .1, reduced by overlaps and borders
    if size > 1:
        inner = dropped[..., 1:-1]
        isolated = inner * (1 - dropped[..., 2:]) * (1 - dropped[..., :-2])
        assert isolated[..., 1:-1].sum() == 0


def test_dropblock_accepts_maps_smaller_than_the_square() -> None:
    module = dropblock(sizes=(7,), starts=(0,))
    for side in (1, 2, 4):
        assert module(torch.ones(4, 64, side, side)).isfinite().all()
