"""Exact parameter and multiply-add counts of published detectors."""

import json
from typing import Any

import pytest

from nas.cost import Cost, cost
from search_spaces.zoo import SCALES, SPINENET_CLASSES, zoo
from tests.support import shared_data

FROZEN_PARAMETERS = 225_344
"""Parameters of the stem and first stage of ResNet-50, which mmdet freezes and the papers do not count."""
R50_PARAMETERS = 37_743_348
"""Trainable parameters of RetinaNet on ResNet-50 with FPN."""


def facts() -> Any:
    return json.loads((shared_data() / "facts" / "spinenet.json").read_text())


def counted(name: str, image_size: int = 640) -> Cost:
    entry = zoo(name)
    return cost(entry.genotype, entry.scale, image_size=image_size, num_classes=entry.num_classes, frozen=entry.frozen)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("spinenet-49s", "49S"),
        ("spinenet-49s-256", "49S_endpoints256"),
        ("spinenet-49", "49"),
        ("spinenet-49", "49@896"),
        ("spinenet-96", "96"),
        ("spinenet-143", "143"),
        ("spinenet-190", "190"),
    ],
)
def test_spinenet_detector_has_the_published_cost(name: str, row: str) -> None:
    official = facts()["variants"][row]
    found = counted(name, official["image_size"])
    assert found.trainable_parameters == found.parameters == official["params_trainable"]
    assert found.macs == official["flops_macs_with_retinanet_head"]


def test_spinenet_49_has_the_documented_cost() -> None:
    found = counted("spinenet-49")
    assert (found.trainable_parameters, found.macs) == (28_543_383, 85_281_555_200)


def test_spinenet_proxy_has_the_published_cost() -> None:
    official = facts()["proxy_SpineNet49_quarter_512"]
    genotype = zoo("spinenet-49").genotype
    found = cost(genotype, SCALES["proxy"], image_size=512, num_classes=SPINENET_CLASSES)
    assert found.parameters == official["params_trainable"] == 1_963_575
    assert found.macs == official["flops_macs_with_retinanet_head"] == 5_841_681_408


@pytest.mark.parametrize(
    ("name", "added"),
    [
        ("retinanet-r50-fpn", 0),
        ("retinanet-r50-fpn-msfm", 2_318_728),
        ("retinanet-r50-fpn-dsa", 657_928),
        ("retinanet-r50-fpn-dsa-conf", 657_928 + 20_745),
    ],
)
def test_retinanet_on_resnet_50_has_the_published_parameters(name: str, added: int) -> None:
    found = counted(name)
    assert found.trainable_parameters == R50_PARAMETERS + added
    assert found.parameters == R50_PARAMETERS + added + FROZEN_PARAMETERS


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("retinanet-r50-fpn-tpu", "R50-FPN"),
        ("retinanet-r101-fpn-tpu", "R101-FPN@1024"),
        ("retinanet-r152-fpn-tpu", "R152-FPN@1280"),
    ],
)
def test_retinanet_baselines_of_spinenet_have_the_published_cost(name: str, row: str) -> None:
    official = facts()[row]
    found = counted(name, official["image_size"])
    assert found.parameters == official["params_trainable"]
    exact = official.get("flops_macs_with_retinanet_head")
    assert found.macs == exact if exact else round(found.macs / 1e9, 4) == official["flops_macs_with_retinanet_head_B"]
