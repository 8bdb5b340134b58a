"""Scores of a network's maps, compared with NumPy and with laws of wide Gaussian layers."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from proxies.zero_cost.entropy import entropy
from proxies.zero_cost.jacob_cov import EPSILON, jacob_cov
from proxies.zero_cost.naswot import kernel, naswot
from proxies.zero_cost.network import BatchStatistics, Score
from proxies.zero_cost.zen import zen
from tests.unit.proxies.tiny import Tiny, batch, conv

IMAGES = batch(1, 6, seed=3, side=4)


class HalfSquare(nn.Module):
    """x^2 / 2, whose derivative with respect to each pixel is the pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return x.square() / 2


def test_jacob_cov_uses_the_eigenvalues_of_the_correlations() -> None:
    values = np.linalg.eigvals(np.corrcoef(IMAGES[0].flatten(1).double().numpy())).real + 1e-5
    expected = -(np.log(values) + 1 / values).sum()
    assert jacob_cov(Tiny(HalfSquare()), [IMAGES]) == pytest.approx(expected, rel=1e-5)


def test_jacob_cov_of_a_linear_network_is_that_of_equal_jacobians() -> None:
    """One eigenvalue is the number of images; all others are zero."""
    expected = -(math.log(6 + EPSILON) + 1 / (6 + EPSILON) + 5 * (math.log(EPSILON) + 1 / EPSILON))
    torch.manual_seed(0)
    assert jacob_cov(Tiny(nn.Conv2d(3, 4, 3)), [IMAGES]) == pytest.approx(expected, rel=1e-3)


def test_the_gradient_of_an_image_does_not_reach_other_images() -> None:
    torch.manual_seed(0)
    norm = BatchStatistics(nn.BatchNorm2d(3))
    images = IMAGES[0].clone().requires_grad_()
    norm(images)[0].sum().backward()
    assert images.grad is not None
    assert images.grad[0].abs().min() > 0
    assert images.grad[1:].abs().max() == 0


def test_batch_statistics_equal_those_of_training() -> None:
    norm = nn.BatchNorm2d(3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    assert torch.allclose(BatchStatistics(norm)(IMAGES[0]), norm(IMAGES[0]), atol=1e-6)


def test_the_kernel_counts_units_with_equal_codes() -> None:
    codes = torch.tensor([[1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 0, 0]]).bool()
    assert kernel(codes).tolist() == [[4, 2, 0], [2, 4, 2], [0, 2, 4]]


def test_naswot_is_the_log_determinant_of_the_kernel() -> None:
    codes = IMAGES[0].flatten(1).numpy() > 0
    agree = (codes[:, None] == codes[None]).sum(-1)
    twice = Tiny(nn.ReLU6(), nn.Conv2d(3, 3, 1, bias=False), nn.SiLU(inplace=True))
    with torch.no_grad():
        twice.backbone.body[1].weight.copy_(torch.eye(3)[:, :, None, None] - 0.5)  # mixes the channels
        mixed = twice.backbone.body[1](IMAGES[0].clamp(0, 6)).flatten(1).numpy() > 0
    assert naswot(Tiny(nn.ReLU()), [IMAGES]) == pytest.approx(np.linalg.slogdet(agree)[1])
    assert naswot(twice, [IMAGES]) == pytest.approx(
        np.linalg.slogdet(agree + (mixed[:, None] == mixed[None]).sum(-1))[1]
    )


def test_naswot_does_not_depend_on_the_scale_of_weights() -> None:
    torch.manual_seed(0)
    model = Tiny(conv(3, 8), nn.ReLU(), conv(8, 8), nn.LeakyReLU())
    before = naswot(model, [IMAGES])
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(7)
    assert naswot(model, [IMAGES]) == before


def test_naswot_of_equal_images_is_minus_infinity() -> None:
    same = IMAGES[0][:1].expand(4, -1, -1, -1), IMAGES[1][:4]
    assert naswot(Tiny(nn.ReLU()), [same]) == -math.inf


WIDE, SIDE = 256, 4
LARGE = batch(1, 8, seed=4, side=SIDE)


def chain(*widths: int, act: bool = False, norm: bool = False, names: tuple[str, ...] = ("p3",)) -> Tiny:
    layers: list[nn.Module] = []
    for channels_in, channels_out in zip((3, *widths), widths, strict=False):
        layers += [conv(channels_in, channels_out)]
        layers += [nn.BatchNorm2d(channels_out)] if norm else []
        layers += [nn.ReLU()] if act else []
    return Tiny(*layers, names=names)


def scored(score: Score, model: nn.Module, seed: int = 5) -> float:
    torch.manual_seed(seed)
    return score(model, [LARGE])


DRAWS = 9


def mean_score(score: Score, model: nn.Module) -> float:
    """Mean score over `DRAWS` draws of weights. The tests state the deviation of one draw, estimated from 40."""
    return float(np.mean([scored(score, model, seed) for seed in range(DRAWS)]))


def three_deviations(one_draw: float) -> float:
    return 3 * one_draw / DRAWS**0.5


def test_zen_of_linear_layers_grows_with_the_root_of_their_widths() -> None:
    """E |W e|^2 = fan-in * |e|^2 per unit: .01 sqrt(3 * 256 * 256 * 16 pixels) for two layers."""
    expected = math.log(0.01) + 0.5 * math.log(3 * WIDE * WIDE * SIDE**2)
    assert mean_score(zen, chain(WIDE, WIDE)) == pytest.approx(expected, abs=three_deviations(0.044))


def test_zen_loses_half_the_power_per_rectified_layer() -> None:
    """A ReLU passes a small change for half of its inputs (He et al., arXiv 1502.01852, section 2.2)."""
    linear, rectified = (mean_score(zen, chain(WIDE, WIDE, WIDE, act=act)) for act in (False, True))
    assert linear - rectified == pytest.approx(1.5 * math.log(2), abs=three_deviations(0.047))


def test_entropy_of_linear_layers_is_the_logarithm_of_their_fan_ins() -> None:
    expected = math.log(3 * WIDE)
    assert mean_score(entropy, chain(WIDE, WIDE)) == pytest.approx(expected, abs=three_deviations(0.104))


def test_entropy_weighs_levels_as_the_paper_weighs_stages() -> None:
    """C3, C4 and C5 weigh 1, 1 and 6; P5, P6 and P7, computed from C5, share its weight; finer levels weigh 0."""
    one = scored(entropy, chain(WIDE, names=("p3",)))
    all_levels = scored(entropy, chain(WIDE, names=("p2", "p3", "p4", "p5", "p6", "p7")))
    assert all_levels == pytest.approx(8 * one)


def test_entropy_ignores_activations() -> None:
    assert scored(entropy, chain(WIDE, WIDE, act=True)) == scored(entropy, chain(WIDE, WIDE))


@pytest.mark.parametrize("score", [zen, entropy])
def test_zen_and_entropy_ignore_norms_and_current_weights(score: Score) -> None:
    model = chain(8, 8, norm=True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e3)
    assert scored(score, model) == scored(score, chain(8, 8))


@pytest.mark.parametrize("score", [zen, entropy])
def test_maps_whose_squares_overflow_have_a_score(score: Score) -> None:
    deep = scored(score, chain(*[4] * 400))  # maps of 1e120, whose squares are finite
    deeper = scored(score, chain(*[4] * 800))  # maps of 1e240, whose squares overflow
    assert deeper == pytest.approx(2 * deep, rel=3 * 0.024)  # the ratio's standard deviation over 12 draws: .024
