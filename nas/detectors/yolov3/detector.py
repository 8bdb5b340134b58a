"""YOLOv3 with torchvision's interface."""

from torch import Tensor, nn
from torchvision.ops import batched_nms, clip_boxes_to_image

from nas.decode import Backbone
from nas.detectors.config import DetectorConfig
from nas.detectors.cost import require_fit
from nas.detectors.transform import BatchTransform
from nas.detectors.yolov3.grid import Grid, make_grid
from nas.detectors.yolov3.head import Raw, Yolov3Head
from nas.detectors.yolov3.loss import losses
from search_spaces.genotype import Scale
from search_spaces.ops import Op

CANDIDATES = 3000
"""Top-scoring outputs of an image that enter NMS; the released code takes all above the threshold."""


class Yolov3(nn.Module):
    """In training `(images, targets)` -> dict of losses, in evaluation `images` -> list of detections.

    A list of images is resized as in torchvision's detectors; a batch is not resized.
    Targets may carry `mixup` (M,): the share of each object's image in the blend.
    """

    def __init__(self, backbone: Backbone, head: Yolov3Head, anchors: str, config: DetectorConfig) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self.anchors, self.config = anchors, config
        self.transform = BatchTransform.standard()

    def network(self, images: Tensor) -> Raw:
        """All layers with weights, (N, 3, H, W) -> the head's outputs; cost and latency refer to it."""
        raw: Raw = self.head(list(self.backbone(images).values()))
        return raw

    def forward(
        self, images: list[Tensor] | Tensor, targets: list[dict[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        originals = [(image.shape[-2], image.shape[-1]) for image in images]
        batch, targets = self.transform(images, targets)
        height, width = batch.tensors.shape[-2:]
        raw = self.network(batch.tensors)
        grid = make_grid(
            (height, width), self.backbone.levels, self.anchors, self.config.box_unit, batch.tensors.device
        )
        if self.training:
            if targets is None:
                raise ValueError("targets: training needs a dict of boxes and labels for each image, got None")
            return losses(raw, grid, targets, (height, width), smoothing=self.config.label_smoothing)
        return self.transform.postprocess(self.detect(raw, grid, batch.image_sizes), batch.image_sizes, originals)

    def detect(self, raw: Raw, grid: Grid, sizes: list[tuple[int, int]]) -> list[dict[str, Tensor]]:
        """Boxes above the threshold after NMS within each class; score: objectness times the top class probability."""
        raw = Raw(*(part.float() for part in raw))
        boxes = grid.boxes(raw.boxes, grid.anchors(raw.guide))
        probability, labels = raw.classes.sigmoid().max(-1)
        scores, place = (raw.objectness.sigmoid() * probability).topk(min(CANDIDATES, labels.shape[1]))
        boxes = boxes.gather(1, place[..., None].expand(-1, -1, 4))
        rows = zip(boxes, scores, labels.gather(1, place), sizes, strict=True)
        return [self._nms(*row) for row in rows]

    def _nms(self, boxes: Tensor, scores: Tensor, labels: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
        above = scores > self.config.score_threshold
        boxes, scores, labels = clip_boxes_to_image(boxes[above], size), scores[above], labels[above]
        kept = batched_nms(boxes, scores, labels, self.config.nms_threshold)[: self.config.max_detections]
        return {"boxes": boxes[kept], "scores": scores[kept], "labels": labels[kept]}


def build_yolov3(backbone: Backbone, head: Op, scale: Scale, num_classes: int, config: DetectorConfig) -> nn.Module:
    """YOLOv3 with `num_classes` foreground classes, labelled from 0, on outputs of any widths.

    The published AP is measured at a score threshold of .01 (MobileNetV2: .001) and an NMS threshold of .65.

    Raises:
        GenotypeError: the scale's head is not one this head can have.
    """
    require_fit(head, scale, backbone.levels, backbone.widths)
    return Yolov3(backbone, Yolov3Head(backbone.widths, num_classes, head), head["anchors"], config)
