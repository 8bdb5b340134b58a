"""Settings that any detector reads its outputs by."""

from pydantic import BaseModel, ConfigDict, Field


class DetectorConfig(BaseModel):
    """How a detector reads its outputs; sizes in pixels of its input.

    Attributes:
        box_unit: distance unit of an output's boxes, in strides. An FCOS level is responsible for objects whose
            farthest side lies 4 to 8 units from the point; 1 suits images of 800 px and more, less suits small ones.
        score_threshold: detections below it are dropped.
        nms_threshold: IoU above which the weaker of two boxes of a class is dropped.
        max_detections: per image.
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
