"""SynFlow and the scores from gradients of the loss, compared with NumPy on two linear layers."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from nas.training.batches import Batch
from proxies.zero_cost.grad_norm import grad_norm
from proxies.zero_cost.grasp import grasp
from proxies.zero_cost.network import Score
from proxies.zero_cost.snip import snip
from proxies.zero_cost.synflow import synflow
from proxies.zero_cost.zico import zico
from tests.unit.proxies.tiny import Tiny, batch, conv

Array = NDArray[np.float64]
FIRST, SECOND = batch(2, 5, seed=1), batch(2, 5, seed=2)


@pytest.fixture
def linear() -> Tiny:
    torch.manual_seed(0)
    return Tiny(conv(3, 4), conv(4, 2))


def layers(model: nn.Module) -> tuple[Array, Array]:
    first, second = (p.detach().double().numpy()[:, :, 0, 0] for p in model.parameters())
    return first, second


def slopes(first: Array, second: Array, data: Batch) -> tuple[Array, Array]:
    """Gradients of sum |B A x - t|^2 / 2 with respect to A and B: B' r x' and r x' A'."""
    x = data[0].double().numpy()[:, :, 0, 0].T
    t = np.stack([target["map"].double().numpy()[:, 0, 0] for target in data[1]], 1)
    rest = second @ first @ x - t
    return second.T @ rest @ x.T, rest @ x.T @ first.T


def test_snip_sums_weight_times_gradient(linear: Tiny) -> None:
    weights = layers(linear)
    expected = sum(np.abs(w * g).sum() for w, g in zip(weights, slopes(*weights, FIRST), strict=True))
    assert snip(linear, [FIRST, SECOND]) == pytest.approx(expected, rel=1e-5)


def test_grad_norm_sums_the_norms_of_layers(linear: Tiny) -> None:
    expected = sum(np.sqrt((g**2).sum()) for g in slopes(*layers(linear), FIRST))
    assert grad_norm(linear, [FIRST, SECOND]) == pytest.approx(expected, rel=1e-5)


def test_grasp_equals_a_finite_difference_along_the_gradient(linear: Tiny) -> None:
    weights, step = layers(linear), 1e-6
    gradient = slopes(*weights, FIRST)
    ahead, behind = (
        slopes(weights[0] + change * gradient[0], weights[1] + change * gradient[1], FIRST) for change in (step, -step)
    )
    products = [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
    expected = -sum((w * hg).sum() for w, hg in zip(weights, products, strict=True))
    assert grasp(linear, [FIRST, SECOND]) == pytest.approx(expected, rel=1e-4)


def test_zico_compares_two_batches(linear: Tiny) -> None:
    weights = layers(linear)
    one, two = slopes(*weights, FIRST), slopes(*weights, SECOND)
    # for two numbers: mean (|a| + |b|) / 2, deviation |a - b| / 2
    expected = sum(math.log(((np.abs(a) + np.abs(b)) / np.abs(a - b)).sum()) for a, b in zip(one, two, strict=True))
    assert zico(linear, [FIRST, SECOND]) == pytest.approx(expected, rel=1e-5)


def test_zico_leaves_out_gradients_without_variance(linear: Tiny) -> None:
    assert zico(linear, [FIRST, FIRST]) == 0


def test_synflow_of_a_chain_is_its_flow_times_its_layers() -> None:
    """Conservation law of the paper, section 4: every layer has the same flow, here 1'|C||B||A|1 per pixel."""
    torch.manual_seed(0)
    chain = Tiny(conv(3, 4), nn.BatchNorm2d(4), nn.ReLU(), conv(4, 5), nn.ReLU(), conv(5, 2), names=("p3", "p4"))
    a, b, c = (chain.backbone.body[i].weight.detach().double().abs().numpy()[:, :, 0, 0] for i in (0, 3, 5))
    pixels, names = 3 * 3, 2
    expected = math.log(3 * names * pixels * (c @ b @ a @ np.ones(3)).sum())
    assert synflow(chain, [batch(2, 2, seed=0, side=3)]) == pytest.approx(expected, rel=1e-12)


def test_synflow_does_not_depend_on_the_images(linear: Tiny) -> None:
    assert synflow(linear, [FIRST]) == synflow(linear, [SECOND])


@pytest.mark.parametrize("score", [snip, grad_norm])
def test_the_scale_of_weights_before_a_norm_changes_grad_norm_but_not_snip(score: Score) -> None:
    """The gradient shrinks as the weight grows, so their product is unchanged."""

    def scored(factor: float) -> float:
        torch.manual_seed(0)
        model = Tiny(conv(3, 4), nn.BatchNorm2d(4, eps=1e-12), conv(4, 2))
        with torch.no_grad():
            model.backbone.body[0].weight.mul_(factor)
        return score(model, [FIRST])

    assert (scored(3.0) == pytest.approx(scored(1.0), rel=1e-4)) == (score is snip)


@pytest.mark.parametrize("score", [snip, grad_norm, grasp])
def test_only_the_first_batch_counts(linear: Tiny, score: Score) -> None:
    seen: Sequence[Batch] = [FIRST, SECOND]
    assert score(linear, seen) == score(linear, [FIRST]) != score(linear, [SECOND])
