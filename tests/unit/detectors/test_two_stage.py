"""Two-stage detectors against torchvision's, and Cascade R-CNN against its paper."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import MultiScaleRoIAlign

from nas.detectors import DetectorConfig, build_detector
from nas.detectors.cascade_rcnn import BOX_WEIGHTS, refine
from nas.detectors.cost import IOUS
from search_spaces.genotype import Genotype, Scale
from search_spaces.ops import GenotypeError, op
from search_spaces.zoo import zoo

SMALL = Scale(width=0.0625, output_width=16, head_depth=2, stem=0.125)
CONFIG = DetectorConfig(box_unit=0.5, score_threshold=0.0, nms_threshold=0.5, proposals=40, samples=32)
FASTER = zoo("faster-rcnn-r50-fpn").genotype
CLASSES = 5
HEADS = {
    "faster_rcnn": {"loss_classifier", "loss_box_reg"},
    "mask_rcnn": {"loss_classifier", "loss_box_reg", "loss_mask"},
    "cascade_rcnn": {f"loss_{kind}{i}" for kind in ("classifier", "box_reg") for i in range(3)},
}


def with_head(name: str, genotype: Genotype = FASTER) -> Genotype:
    return replace(genotype, head=op(name))


def detector(name: str, genotype: Genotype = FASTER) -> nn.Module:
    torch.manual_seed(0)
    model = build_detector(with_head(name, genotype), SMALL, CLASSES, CONFIG)
    model.transform.min_size, model.transform.max_size = (96,), 96  # images given as a list are resized to it
    return model


def targets(count: int = 2) -> list[dict[str, Tensor]]:
    masks = torch.zeros(1, 96, 96, dtype=torch.uint8)
    masks[:, 12:60, 10:40] = 1
    one = {"boxes": torch.tensor([[10.0, 12, 40, 60]]), "labels": torch.tensor([4]), "masks": masks}
    return [one] * count


def torchvision_detector(name: str, ours: nn.Module) -> nn.Module:
    """torchvision's detector with the modules of ours, and its defaults except for sizes and counts."""
    levels = ["p2", "p3", "p4", "p5"]
    made = {"faster_rcnn": FasterRCNN, "mask_rcnn": MaskRCNN}[name](
        ours.backbone,
        CLASSES + 1,
        rpn_anchor_generator=AnchorGenerator(((16,), (32,), (64,), (128,), (256,)), ((0.5, 1.0, 2.0),) * 5),
        box_roi_pool=MultiScaleRoIAlign(levels, 7, 2, canonical_scale=112),
        box_score_thresh=0.0,
        box_batch_size_per_image=32,
        **{f"rpn_{part}_nms_top_n_{mode}": n for part in ("pre", "post") for mode, n in (("train", 80), ("test", 40))},
        **({"mask_roi_pool": MultiScaleRoIAlign(levels, 14, 2, canonical_scale=112)} if "mask" in name else {}),
        min_size=96,
        max_size=96,
    )
    made.rpn.head = ours.rpn.head
    for part in ("box_head", "box_predictor", *(("mask_head", "mask_predictor") if "mask" in name else ())):
        setattr(made.roi_heads, part, getattr(ours.roi_heads, part))
    return made


@pytest.mark.parametrize("name", ["faster_rcnn", "mask_rcnn"])
def test_losses_and_detections_match_torchvision(name: str) -> None:
    ours = detector(name)
    official = torchvision_detector(name, ours)
    images = list(torch.rand(2, 3, 96, 96))
    shifted = [{**t, "labels": t["labels"] + 1} for t in targets()]
    losses = []
    for model, truth in ((ours, targets()), (official, shifted)):
        torch.manual_seed(1)  # seed of the region samples
        losses.append(model.train()(images, truth))
    assert losses[0] == losses[1]
    for found, expected in zip(ours.eval()(images), official.eval()(images), strict=True):
        assert torch.equal(found.pop("labels"), expected.pop("labels") - 1)
        assert set(found) == set(expected)
        assert all(torch.equal(found[key], expected[key]) for key in found)


def test_batch_gives_the_detections_of_a_list_with_box_relative_masks() -> None:
    model = detector("mask_rcnn").eval()
    images = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        together, apart = model(images), model(list(images))
    for found, expected in zip(together, apart, strict=True):
        assert found["masks"].shape[1:] == (1, 28, 28)
        pasted = paste_masks_in_image(found["masks"], found["boxes"], (96, 96))
        torch.testing.assert_close(pasted, expected["masks"])
        torch.testing.assert_close(found["boxes"], expected["boxes"])


@pytest.mark.parametrize("name", HEADS)
def test_images_without_objects_train(name: str) -> None:
    nothing = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, 96, 96, dtype=torch.uint8),
    }
    for truth in ([nothing] * 2, [nothing, *targets(1)]):
        losses = detector(name)(torch.rand(2, 3, 96, 96), truth)
        sum(losses.values()).backward()
        assert all(loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize("name", HEADS)
def test_gradients_reach_every_weight(name: str) -> None:
    model = detector(name)
    sum(model(torch.rand(2, 3, 96, 96), targets()).values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("entry", ["spinenet-49", "fpn"])
def test_head_reads_any_genotype(name: str, entry: str) -> None:
    """Genotypes with outputs of levels 3 to 7; RoIAlign reads levels 3 to 5."""
    model = detector(name, zoo(entry).genotype).eval()
    with torch.inference_mode():
        (found,) = model(torch.rand(1, 3, 139, 202))
    assert len(found["boxes"]) > 0


def test_background_class_has_no_box_and_no_mask() -> None:
    model = detector("mask_rcnn")
    outputs = model.network(torch.rand(1, 3, 96, 96))
    assert outputs["box_deltas"].shape == (40, 4 * (CLASSES + 1))
    assert not outputs["box_deltas"][:, :4].any()
    assert outputs["masks"].shape == (CONFIG.max_detections, CLASSES + 1, 28, 28)
    assert not outputs["masks"][:, 0].any()


# Cascade R-CNN (arXiv 1712.00726, section 4)


def test_cascade_stages_have_rising_thresholds_and_class_agnostic_boxes() -> None:
    stages = detector("cascade_rcnn").roi_heads.stages
    assert [s.proposal_matcher.high_threshold for s in stages] == list(IOUS) == [0.5, 0.6, 0.7]
    assert [s.box_coder.weights for s in stages] == list(BOX_WEIGHTS)
    _, deltas = stages[0].box_predictor(torch.rand(3, 64))
    each = deltas.reshape(3, CLASSES + 1, 4)
    assert torch.equal(each, each[:, :1].expand_as(each))


def test_cascade_stage_refines_and_clips_its_regions() -> None:
    stage = detector("cascade_rcnn").roi_heads.stages[1]
    regions = torch.tensor([[10.0, 20, 30, 60], [80, 80, 95, 95]])
    wanted = torch.tensor([[12.0, 18, 40, 64], [85, 70, 120, 90]])
    deltas = stage.box_coder.encode([wanted], [regions])[0].repeat(1, CLASSES + 1)
    (moved,) = refine(stage, deltas, [regions], [(96, 96)])
    torch.testing.assert_close(moved, wanted.clamp(max=96))


def test_cascade_averages_logits_and_takes_boxes_of_the_last_stage() -> None:
    """Each stage predicts fixed logits; only the last stage moves boxes."""
    model = detector("cascade_rcnn").eval()
    votes = torch.eye(CLASSES + 1)[:3] * 6
    for stage, vote in zip(model.roi_heads.stages, votes, strict=True):
        nn.init.zeros_(stage.box_predictor.cls_score.weight)
        nn.init.zeros_(stage.box_predictor.bbox_pred.weight)
        stage.box_predictor.cls_score.bias.data.copy_(vote)
    # 1.5 times the width: R-CNN's delta is log(w / w_region), times the stage's weight for widths
    model.roi_heads.stages[2].box_predictor.bbox_pred.bias.data[2] = BOX_WEIGHTS[2][2] * torch.tensor(1.5).log()
    features = model.backbone(torch.rand(1, 3, 96, 96))
    (found,), _ = model.roi_heads(features, [torch.tensor([[20.0, 30, 60, 50]])], [(96, 96)])
    torch.testing.assert_close(found["scores"], votes.mean(0).softmax(0)[1:].sort(descending=True).values)
    torch.testing.assert_close(found["boxes"], torch.tensor([[10.0, 30, 70, 50]]).expand(CLASSES, 4))


def test_mask_head_of_depth_0_is_refused() -> None:
    with pytest.raises(GenotypeError, match="head_depth"), torch.device("meta"):
        build_detector(with_head("mask_rcnn"), replace(SMALL, head_depth=0), CLASSES)


def test_heads_follow_the_torchvision_interface() -> None:
    images = [torch.rand(3, 96, 80), torch.rand(3, 64, 96)]
    for name, expected in HEADS.items():
        model = detector(name)
        shaped = [
            {**t, "masks": torch.ones(1, *i.shape[-2:], dtype=torch.uint8)}
            for t, i in zip(targets(), images, strict=True)
        ]
        losses = model(images, shaped)
        assert set(losses) == expected | {"loss_objectness", "loss_rpn_box_reg"}
        assert all(loss.isfinite() for loss in losses.values())
        for image, found in zip(images, model.eval()(images), strict=True):
            assert set(found) == {"boxes", "scores", "labels", *(["masks"] if name == "mask_rcnn" else [])}
            assert len(found["boxes"]) > 0
            assert (found["boxes"][:, 2] <= image.shape[-1]).all()
            assert set(found["labels"].tolist()) <= set(range(CLASSES))
            if name == "mask_rcnn":
                assert found["masks"].shape == (len(found["boxes"]), 1, *image.shape[-2:])
