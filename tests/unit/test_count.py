"""Costs counted while a module runs, against hand-computed values."""

import pytest
import torch
from torch import nn
from torchvision.ops import DeformConv2d

from nas.count import LiveBytes, counted


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_counts_of_layers_match_hand_computed_values(device: str) -> None:
    with torch.device(device):
        layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.ConvTranspose2d(8, 4, 2, 2),
            nn.Flatten(),
            nn.Linear(4 * 10 * 10, 6),
        ).eval()
        counts = counted(layers, layers, torch.zeros(1, 3, 9, 10))
    assert counts == (
        216 + 16 + (72 + 8) + (128 + 4) + (2400 + 6),
        25 * (216 + 72 + 128) + 2400,
        25 * 8 + 25 * 8 + 100 * 4,
    )


def test_deformable_convolution_counts_as_a_plain_one() -> None:
    conv = DeformConv2d(4, 6, 3, padding=1)
    assert counted(conv, conv, torch.zeros(1, 4, 5, 7), torch.zeros(1, 18, 5, 7)) == (222, 35 * 216, 35 * 6)


def test_counting_removes_its_hooks() -> None:
    conv = nn.Conv2d(3, 8, 1)
    assert [counted(conv, conv, torch.zeros(1, 3, 2, 2)) for _ in range(2)] == [(32, 96, 32)] * 2
    assert not conv._forward_hooks


def test_live_bytes_tracks_tensors_and_views() -> None:
    given = torch.zeros(1000)
    with LiveBytes() as live:
        first = given + 1
        second = first * 2
        assert (live.now, live.peak) == (8000, 8000)
        del first
        assert live.now == 4000
        view, first = second.view(10, -1), second.relu_()
        assert (live.now, live.peak) == (4000, 8000)
        del second, first
        assert live.now == 4000
        row = view[0] * 1
        del view
        assert (live.now, live.peak) == (400, 8000)
    assert row.numel() == 100
