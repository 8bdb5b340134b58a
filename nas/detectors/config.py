"""Settings of any detector that neither its genotype nor its scale decides."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from torch import nn


class DetectorConfig(BaseModel):
    """How a detector normalises, and how it reads its outputs; sizes in pixels of its input.

    Attributes:
        box_unit: distance unit of an output's boxes, in strides. An FCOS level is responsible for objects whose
            farthest side lies 4 to 8 units from the point; 1 suits images of 800 px and more, less suits small ones.
            RetinaNet and YOLOv3 multiply their anchors by it.
        score_threshold: detections below it are dropped.
        nms_threshold: IoU above which the weaker of two boxes of a class is dropped.
        max_detections: per image.
        norm_epsilon: of every batch norm. SpineNet was published with 1e-3 (tf-models) and 1e-4 (TPU release).
        norm_momentum: weight of a step's statistics in the running ones of every batch norm, torch's convention.
        label_smoothing: train classes of K towards 1 - 1/K and 1/K; YOLOv3 only.
        proposals: regions of an image that a two-stage detector looks at; twice as many in training.
        samples: of them, how many are trained on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    box_unit: float = Field(1.0, gt=0)
    score_threshold: float = Field(0.05, ge=0, lt=1)
    nms_threshold: float = Field(0.6, gt=0, le=1)
    max_detections: int = Field(100, ge=1)
    proposals: int = Field(1000, ge=1)
    samples: int = Field(512, ge=4)
    norm_epsilon: float = Field(1e-5, gt=0, lt=1)
    norm_momentum: float = Field(0.1, gt=0, le=1)
    label_smoothing: bool = False

    def norm(self, channels: int) -> "nn.Module":
        """A fresh batch norm."""
        from torch import nn

        return nn.BatchNorm2d(channels, eps=self.norm_epsilon, momentum=self.norm_momentum)
