"""torchvision's detectors, which ours derive from."""

import inspect
import re

import torch

from tests.contracts.canaries.canary import canary, found, mentions, rows, source, takes


@canary(
    "torchvision.models.detection._utils.Matcher", "nas/detectors/match.py", "thresholds, negative numbers and ties"
)
def _() -> None:
    matcher = found("torchvision.models.detection._utils.Matcher")(0.7, 0.3, allow_low_quality_matches=True)
    assert (matcher.high_threshold, matcher.low_threshold, matcher.allow_low_quality_matches) == (0.7, 0.3, True)
    assert (matcher.BELOW_LOW_THRESHOLD, matcher.BETWEEN_THRESHOLDS) == (-1, -2)
    overlap = torch.tensor([[0.8, 0.5, 0.1, 0.2], [0.1, 0.2, 0.0, 0.25]])
    assert matcher(overlap).tolist() == [0, -2, -1, 1]


@canary(
    "torchvision.models.detection._utils.BoxLinearCoder",
    "nas/detectors/fcos_loss.py",
    "distances of a box's sides from an anchor's centre, in sides of the anchor, for any leading dimensions",
)
def _() -> None:
    coder = found("torchvision.models.detection._utils.BoxLinearCoder")(normalize_by_size=True)
    anchor, box = torch.tensor([[[0.0, 0, 4, 4]]]), torch.tensor([[[-2.0, 0, 4, 10]]])
    assert coder.encode(anchor, box).tolist() == [[[1.0, 0.5, 0.5, 2.0]]]
    assert torch.equal(coder.decode(coder.encode(anchor, box), anchor), box)


@canary(
    "torchvision.models.detection.rpn.RegionProposalNetwork.box_similarity",
    "nas/detectors/two_stage.py",
    "its result is passed to `proposal_matcher` unchanged",
)
def _() -> None:
    text = inspect.getsource(found("torchvision.models.detection.rpn.RegionProposalNetwork.assign_targets_to_anchors"))
    call = r"(\w+) = self\.box_similarity\(gt_boxes, anchors_per_image\)\s+matched_idxs = self\.proposal_matcher\(\1\)"
    assert re.search(call, text)
    takes("torchvision.models.detection.rpn.RegionProposalNetwork.forward", "images", "features", "targets")()


@canary(
    "torchvision.ops.poolers.MultiScaleRoIAlign.scales",
    "nas/detectors/two_stage.py",
    "`scales` and `map_levels` are kept if they are set",
)
def _() -> None:
    takes("torchvision.ops.poolers.initLevelMapper", "k_min", "k_max", "canonical_scale")()
    assert "if self.scales is None or self.map_levels is None:" in source("torchvision.ops.poolers")


_ROI = "torchvision.models.detection.roi_heads"
rows(
    "nas/detectors/box_regions.py",
    "a method of torchvision's second stage that we override or call",
    {
        f"{_ROI}.RoIHeads.assign_targets_to_proposals": takes(
            f"{_ROI}.RoIHeads.assign_targets_to_proposals", "proposals", "gt_boxes", "gt_labels"
        ),
        f"{_ROI}.RoIHeads.select_training_samples": mentions(_ROI, "self.assign_targets_to_proposals("),
        f"{_ROI}.RoIHeads.postprocess_detections": takes(
            f"{_ROI}.RoIHeads.postprocess_detections", "class_logits", "box_regression", "proposals", "image_shapes"
        ),
    },
)
_DETECTION = "torchvision.models.detection"
_OUTPUTS = ("head_outputs", "anchors")
rows(
    "nas/detectors/fcos.py",
    "a method of torchvision's detector that we override",
    {
        f"{_DETECTION}.fcos.FCOS.compute_loss": takes(
            f"{_DETECTION}.fcos.FCOS.compute_loss", "targets", *_OUTPUTS, "num_anchors_per_level"
        ),
        f"{_DETECTION}.fcos.FCOS.postprocess_detections": takes(
            f"{_DETECTION}.fcos.FCOS.postprocess_detections", *_OUTPUTS, "image_shapes"
        ),
    },
)
rows(
    "nas/detectors/retinanet/detector.py",
    "a method of torchvision's detector that we override",
    {
        f"{_DETECTION}.retinanet.RetinaNet.compute_loss": takes(
            f"{_DETECTION}.retinanet.RetinaNet.compute_loss", "targets", *_OUTPUTS
        ),
        f"{_DETECTION}.retinanet.RetinaNet.postprocess_detections": takes(
            f"{_DETECTION}.retinanet.RetinaNet.postprocess_detections", *_OUTPUTS, "image_shapes"
        ),
    },
)
rows(
    "nas/detectors/transform.py",
    "a method of torchvision's transform that we override",
    {
        f"{_DETECTION}.transform.GeneralizedRCNNTransform.postprocess": takes(
            f"{_DETECTION}.transform.GeneralizedRCNNTransform.postprocess",
            *("result", "image_shapes", "original_image_sizes"),
        )
    },
)
rows(
    "nas/detectors/cascade_rcnn.py",
    "torchvision's loss of a second stage",
    {
        f"{_ROI}.fastrcnn_loss": takes(
            f"{_ROI}.fastrcnn_loss", "class_logits", "box_regression", "labels", "regression_targets"
        )
    },
)
rows(
    "nas/training/evaluation.py",
    "pastes masks, given relative to their boxes, into an image",
    {f"{_ROI}.paste_masks_in_image": takes(f"{_ROI}.paste_masks_in_image", "masks", "boxes", "img_shape")},
)
