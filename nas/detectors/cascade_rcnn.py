"""Cascade R-CNN (arXiv 1712.00726): three stages, each of which refines the boxes of the previous one."""

import torch
from torch import Tensor, nn
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.ops import clip_boxes_to_image

from nas.decode import Backbone
from nas.detectors.box_regions import AgnosticBoxPredictor, BoxRegions
from nas.detectors.config import DetectorConfig
from nas.detectors.cost import IOUS
from nas.detectors.two_stage import Targets, build_two_stage
from search_spaces.genotype import Scale
from search_spaces.ops import Op

BOX_WEIGHTS = ((10.0, 10.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0), (30.0, 30.0, 15.0, 15.0))
"""Weights of the box deltas in each stage's loss; they grow as the remaining deltas shrink (section 4.1)."""
LOSS_WEIGHTS = (1.0, 0.5, 0.25)
"""Weights of the stages' losses, as in mmdetection."""

Sizes = list[tuple[int, int]]


class CascadeRegions(nn.Module):
    """Three of torchvision's second stages, with the interface of one; boxes are class-agnostic.

    A stage is trained on the refined samples of the previous one. In evaluation the mean of the three logits gives
    the scores and the last stage the boxes, as in mmdetection.
    """

    def __init__(self, backbone: Backbone, scale: Scale, config: DetectorConfig, classes: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            BoxRegions(backbone, scale, config, AgnosticBoxPredictor, classes, iou=iou, box_weights=weights)
            for iou, weights in zip(IOUS, BOX_WEIGHTS, strict=True)
        )

    def network(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """The layers with weights, run on blank regions, for maps (N, C, H, W) by level."""
        outputs = [stage.network(features) for stage in self._stages()]
        return {f"{name}{i}": x for i, output in enumerate(outputs) for name, x in output.items()}

    def forward(
        self, features: dict[str, Tensor], proposals: list[Tensor], sizes: Sizes, targets: Targets | None = None
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """Maps by level, proposals (P_i, 4) and (height, width) of each image -> detections, losses; one is empty."""
        if self.training and targets is not None:
            return [], self._losses(features, proposals, sizes, targets)
        return self._detect(features, proposals, sizes), {}

    def _losses(
        self, features: dict[str, Tensor], regions: list[Tensor], sizes: Sizes, targets: Targets
    ) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        for i, (stage, weight) in enumerate(zip(self._stages(), LOSS_WEIGHTS, strict=True)):
            samples, _, labels, changes = stage.select_training_samples(regions, targets)
            logits, deltas = stage.look(features, samples, sizes)
            of_class, of_box = fastrcnn_loss(logits, deltas, labels, changes)
            losses |= {f"loss_classifier{i}": weight * of_class, f"loss_box_reg{i}": weight * of_box}
            regions = [
                boxes[_not_among(sample, target["boxes"])]
                for boxes, sample, target in zip(refine(stage, deltas, samples, sizes), samples, targets, strict=True)
            ]
        return losses

    def _detect(self, features: dict[str, Tensor], regions: list[Tensor], sizes: Sizes) -> list[dict[str, Tensor]]:
        *earlier, last = self._stages()
        votes = []
        for stage in earlier:
            logits, deltas = stage.look(features, regions, sizes)
            votes.append(logits)
            regions = refine(stage, deltas, regions, sizes)
        logits, deltas = last.look(features, regions, sizes)
        mean = torch.stack((*votes, logits)).mean(0)
        found = last.postprocess_detections(mean, deltas, regions, sizes)
        return [{"boxes": b, "scores": s, "labels": n} for b, s, n in zip(*found, strict=True)]

    def _stages(self) -> list[BoxRegions]:
        return list(self.stages)  # type: ignore[arg-type]  # ModuleList forgets the type


def refine(stage: BoxRegions, deltas: Tensor, regions: list[Tensor], sizes: Sizes) -> list[Tensor]:
    """A stage's refined boxes (R_i, 4), clipped to their image and detached."""
    boxes = stage.box_coder.decode(deltas[:, :4].detach(), regions).flatten(1)
    split = torch.split(boxes, [len(r) for r in regions])
    return [clip_boxes_to_image(b, size) for b, size in zip(split, sizes, strict=True)]


def _not_among(samples: Tensor, truths: Tensor) -> Tensor:
    """Mask of the samples (S, 4) that are not ground truth (M, 4); every stage adds the ground truth itself."""
    is_truth: Tensor = (samples[:, None] == truths[None]).all(-1).any(-1)
    return is_truth.logical_not()


def build_cascade_rcnn(
    backbone: Backbone, head: Op, scale: Scale, num_classes: int, config: DetectorConfig
) -> nn.Module:
    """Cascade R-CNN with `num_classes` foreground classes, labelled from 0."""
    return build_two_stage(backbone, config, CascadeRegions(backbone, scale, config, num_classes))
