"""The zero-cost scores as a proxy, and on decoded detectors."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from nas.data.cache import ImageCache
from nas.data.detection_set import DataError, DetectionSet
from nas.data.digits.scenes import DigitsConfig, digits
from nas.detectors import build_detector
from nas.search.runners.local import LocalRunner
from nas.search.runners.pool import PoolRunner
from nas.training.batches import Batch, Batches
from proxies.config import ZeroCostConfig
from proxies.pool import evaluate_all
from proxies.zero_cost import ZERO_COST
from proxies.zero_cost.network import open_gates
from proxies.zero_cost.proxy import Unscorable, ZeroCost
from search_spaces.choose import first_choice
from search_spaces.genotype import Genotype, Scale
from search_spaces.registry import SPACES
from search_spaces.zoo import zoo

SCALE = Scale(width=1 / 16, output_width=32, head_depth=1, stem=1 / 4)
CONFIG = ZeroCostConfig(scale=SCALE, image_size=64, batch_size=4)
Data = tuple[DetectionSet, DetectionSet]


@pytest.fixture(scope="module")
def data() -> Data:
    return digits(DigitsConfig(image_size=64, max_side=40, train_images=8, val_images=1))


@pytest.fixture(scope="module")
def proxy(data: Data) -> ZeroCost:
    return ZeroCost.prepare(CONFIG, data)


@pytest.fixture(scope="module")
def genotype() -> Genotype:
    return SPACES["joint"].build(first_choice)


@pytest.fixture(scope="module")
def batches(proxy: ZeroCost) -> list[Batch]:
    return list(Batches(proxy.data, proxy.images, 4).training(seed=0, epoch=0, flip=False, device="cpu"))


def snapshot(model: nn.Module) -> dict[str, object]:
    """The state of a detector that a score might change."""
    return {
        "weights": {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "modules": [(name, id(m), m.training, len(m._forward_pre_hooks)) for name, m in model.named_modules()],
        "gradients": [(p.grad, p.requires_grad) for p in model.parameters()],
    }


@pytest.mark.parametrize("name", ZERO_COST)
def test_a_score_does_not_change_the_detector(name: str, genotype: Genotype, batches: list[Batch]) -> None:
    torch.manual_seed(0)
    detector = build_detector(genotype, SCALE, 10)
    detector.backbone.eval()
    before = snapshot(detector)
    ZERO_COST[name](detector, batches)
    after = snapshot(detector)
    torch.testing.assert_close(after.pop("weights"), before.pop("weights"), rtol=0, atol=0)
    assert before == after


@pytest.mark.parametrize("entry", ["retinanet-r50-fpn", "faster-rcnn-r50-fpn", "yolov3-mobilenetv2"])
def test_detectors_with_other_heads_are_scored(entry: str, data: Data) -> None:
    scale = replace(SCALE, output_width=zoo(entry).scale.output_width if "yolo" in entry else 32)
    config = CONFIG.model_copy(update={"scale": scale, "scores": ("snip", "zico", "zen")})
    (scores,) = ZeroCost.prepare(config, data).evaluate(zoo(entry).genotype, seed=0, device="cpu")
    assert list(scores) == ["snip", "zico", "zen", "gmacs"]


def test_gates_that_are_initialised_closed_are_opened(genotype: Genotype) -> None:
    torch.manual_seed(0)
    detector = build_detector(zoo("fpn-msfm").genotype, SCALE, 10)
    gains = [m.weight for m in detector.modules() if isinstance(m, (nn.BatchNorm2d, nn.GroupNorm))]
    assert any(not gain.any() for gain in gains)
    open_gates(detector)
    assert all((gain == 1).all() for gain in gains)


def test_a_score_does_not_depend_on_the_others(proxy: ZeroCost, data: Data, genotype: Genotype) -> None:
    (together,) = proxy.evaluate(genotype, seed=3, device="cpu")
    alone = ZeroCost.prepare(CONFIG.model_copy(update={"scores": ("zen", "snip")}), data)
    (scores,) = alone.evaluate(genotype, seed=3, device="cpu")
    assert scores == {name: together[name] for name in ("zen", "snip", "gmacs")}
    assert alone.objectives == {"zen": "max", "gmacs": "min"}


def test_a_score_that_is_not_finite_raises(proxy: ZeroCost, genotype: Genotype) -> None:
    blank = ImageCache(np.zeros_like(proxy.images.images), proxy.images.scales)
    blind = replace(proxy, images=blank, config=CONFIG.model_copy(update={"scores": ("naswot",)}))
    with pytest.raises(Unscorable, match="naswot is -inf"):
        next(iter(blind.evaluate(genotype, seed=0, device="cpu")))
    (report,) = evaluate_all(blind, [genotype], runner=LocalRunner())
    assert (report.state, report.scores) == ("failed", None)
    assert report.error == "Unscorable: naswot is -inf: leave it out, or give a smaller scale"


def test_a_pool_gives_the_same_scores_as_this_process(data: Data, genotype: Genotype) -> None:
    proxy = ZeroCost.prepare(CONFIG.model_copy(update={"scores": ("snip", "naswot")}), data)
    (here,), (there,) = (evaluate_all(proxy, [genotype], runner=runner) for runner in (LocalRunner(), PoolRunner(1)))
    assert here.scores == there.scores is not None


def test_a_mask_head_needs_data_with_masks(proxy: ZeroCost) -> None:
    masks = zoo("mask-rcnn-r50-fpn").genotype
    with pytest.raises(DataError, match="mask"):
        next(iter(proxy.evaluate(masks, seed=0, device="cpu")))


def test_too_few_images_are_refused(data: Data) -> None:
    with pytest.raises(DataError, match="2 batches of 5 need 10: give a smaller batch_size"):
        ZeroCost.prepare(ZeroCostConfig(batch_size=5), data)


@pytest.mark.parametrize(("scores", "message"), [(("zenn",), "did you mean 'zen'"), ((), "scores: none given")])
def test_scores_must_be_known(scores: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ZeroCostConfig(scores=scores)
