"""A decoded backbone in torchvision's detectors, as CONTRIBUTING.md describes."""

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, KeypointRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD
from torchvision.ops import MultiScaleRoIAlign

from nas.decode import Backbone, decode
from search_spaces.bifpn import bifpn
from search_spaces.genotype import Genotype, Scale
from search_spaces.nas_fpn import merge
from search_spaces.trunk import resnet
from search_spaces.zoo import zoo

SCALE = Scale(width=1 / 16, output_width=16)
SIDE = 128
GENOTYPES = {
    "msfm": zoo("fpn-msfm").genotype,
    "spinenet": zoo("spinenet-49").genotype,
    "bifpn": bifpn(resnet(50), depth=1),
    "nas-fpn": merge(resnet(50), repeats=1),
}


def anchors(backbone: Backbone) -> AnchorGenerator:
    return AnchorGenerator(tuple((4 * 2**level,) for level in backbone.levels), ((1.0,),) * len(backbone.levels))


def pooler(names: list[str], size: int) -> MultiScaleRoIAlign:
    return MultiScaleRoIAlign(names, size, 2)


def faster_rcnn(backbone: Backbone) -> nn.Module:
    maps = [f"p{level}" for level in backbone.levels]
    return FasterRCNN(
        backbone, 3, min_size=SIDE, max_size=SIDE, rpn_anchor_generator=anchors(backbone), box_roi_pool=pooler(maps, 3)
    )


def keypoint_rcnn(backbone: Backbone) -> nn.Module:
    maps = [f"p{level}" for level in backbone.levels]
    return KeypointRCNN(
        backbone,
        3,
        min_size=SIDE,
        max_size=SIDE,
        rpn_anchor_generator=anchors(backbone),
        box_roi_pool=pooler(maps, 3),
        keypoint_roi_pool=pooler(maps, 6),
        num_keypoints=5,
    )


def ssd(backbone: Backbone) -> nn.Module:
    backbone.out_channels = list(backbone.widths)  # type: ignore[assignment]  # SSD takes one width per map
    return SSD(backbone, DefaultBoxGenerator([[2]] * len(backbone.levels)), (SIDE, SIDE), 3)


DETECTORS = {"faster": faster_rcnn, "keypoint": keypoint_rcnn, "ssd": ssd}


def build(genotype: Genotype, name: str) -> nn.Module:
    torch.manual_seed(0)
    return DETECTORS[name](decode(genotype, SCALE))


def target(seed: int) -> dict[str, Tensor]:
    corner = torch.tensor([[20.0, 24.0], [50.0, 10.0]]) + seed
    boxes = torch.cat([corner, corner + torch.tensor([[40.0, 60.0]])], 1)
    keypoints = torch.cat([boxes[:, None, :2].repeat(1, 5, 1) + 8, torch.ones(2, 5, 1)], 2)
    return {"boxes": boxes, "labels": torch.tensor([1, 2]), "keypoints": keypoints}


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("genotype", GENOTYPES)
def test_torchvision_detector_trains_and_detects(genotype: str, name: str) -> None:
    """Losses are finite, gradients reach every backbone weight, and detections have the fields of torchvision."""
    model = build(GENOTYPES[genotype], name).train()
    images = [torch.rand(3, SIDE, SIDE) for _ in range(4)]
    losses = model(images, [target(i) for i in range(4)])
    total = sum(losses.values())
    assert isinstance(total, Tensor)
    assert total.isfinite()
    total.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in model.get_submodule("backbone").parameters())
    with torch.inference_mode():
        made = model.eval()(images[:2])
    assert all({"boxes", "scores", "labels"} <= set(detections) for detections in made)
