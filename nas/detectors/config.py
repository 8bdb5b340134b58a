"""Detector settings that are independent of genotype and scale."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from torch import nn


class DetectorConfig(BaseModel):
    """Settings of normalisation, training and post-processing; sizes in pixels of the detector's input.

    Attributes:
        box_unit: unit of box distances at a level, in strides. An FCOS level matches objects whose farthest side lies
            4 to 8 units from the point; 1 suits images of 800 px and more, smaller images need less.
            RetinaNet and YOLOv3 multiply their anchors by it.
        score_threshold: detections below it are dropped.
        nms_threshold: IoU above which the weaker of two boxes of a class is dropped.
        max_detections: detections kept per image.
        norm_epsilon: epsilon of every batch norm. SpineNet was published with 1e-3 (tf-models) and 1e-4 (TPU release).
        norm_momentum: momentum of every batch norm, torch's convention: weight of a step in the running statistics.
        label_smoothing: class targets 1 - 1/K and 1/K for K classes; YOLOv3 only.
        proposals: proposals per image of a two-stage detector; twice as many in training.
        samples: proposals per image that are sampled for the loss.
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
        """A new batch norm."""
        from torch import nn

        return nn.BatchNorm2d(channels, eps=self.norm_epsilon, momentum=self.norm_momentum)
