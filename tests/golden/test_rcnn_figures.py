"""Two-stage detectors have the trainable parameters of mmdetection, with the stem and first stage frozen."""

import json

import pytest
import torch
from torch import nn

from nas.cost import cost
from nas.detectors import build_detector
from search_spaces.zoo import zoo
from tests.support import shared_data

# from `facts/msfm.json`; torchvision has 4 more: box outputs of the background class
BASELINES = {
    "faster-rcnn-r50-fpn": 41_527_712,
    "faster-rcnn-r50-fpn-dconv": 42_108_554,
    "cascade-rcnn-r50-fpn": 69_169_422,
    "mask-rcnn-r50-fpn": 44_170_992,
    "faster-rcnn-r101-fpn": 60_519_840,
    "cascade-rcnn-r101-fpn": 88_161_550,
}
MSFM = {50: 2_318_728, 101: 5_254_832}
FROZEN = 225_344


def counted(name: str) -> int:
    """Parameters outside the stem and the first stage."""
    entry = zoo(name)
    with torch.device("meta"):
        model = build_detector(entry.genotype, entry.scale, entry.num_classes)
    frozen = nn.ModuleList((model.backbone.stem, model.backbone.nodes["node_c2"]))  # type: ignore[index,union-attr,list-item]
    assert sum(p.numel() for p in frozen.parameters()) == FROZEN
    return sum(p.numel() for p in model.parameters()) - FROZEN


@pytest.mark.parametrize("name", BASELINES)
def test_detector_has_the_published_parameters(name: str) -> None:
    assert counted(name) == BASELINES[name]


@pytest.mark.parametrize("name", BASELINES)
def test_detector_with_msfm_has_the_published_parameters(name: str) -> None:
    assert counted(f"{name}-msfm") == BASELINES[name] + MSFM[101 if "r101" in name else 50]


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("faster-rcnn-r50-fpn", "Faster R50"),
        ("faster-rcnn-r50-fpn-dconv", "Faster R50 Dconv"),
        ("cascade-rcnn-r50-fpn", "Cascade R50"),
        ("mask-rcnn-r50-fpn", "Mask R50"),
        ("faster-rcnn-r101-fpn", "Faster R101"),
        ("cascade-rcnn-r101-fpn", "Cascade R101"),
    ],
)
def test_baselines_match_the_facts(name: str, fact: str) -> None:
    facts = json.loads((shared_data() / "facts" / "msfm.json").read_text())
    assert facts["baselines"][fact] == BASELINES[name]


def test_cost_counts_a_thousand_regions_and_a_hundred_masks() -> None:
    """A fully connected layer costs one multiply-add per weight and region."""

    def macs(name: str) -> int:
        entry = zoo(name)
        return cost(entry.genotype, entry.scale, image_size=64, num_classes=80).macs

    predictor = 1024 * (81 + 4)
    head = 256 * 49 * 1024 + 1024 * 1024
    wider = 1024 * 4 * 79  # Faster R-CNN predicts a box per class
    assert macs("cascade-rcnn-r50-fpn") - macs("faster-rcnn-r50-fpn") == 1000 * (2 * (head + predictor) - wider)
    mask = 4 * 9 * 256 * 256 * 14 * 14 + 4 * 256 * 256 * 14 * 14 + 256 * 80 * 28 * 28
    assert macs("mask-rcnn-r50-fpn") - macs("faster-rcnn-r50-fpn") == 100 * mask
