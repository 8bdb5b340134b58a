"""A training recipe: settings of optimiser, schedule and augmentation."""

from pydantic import BaseModel, ConfigDict, Field


class Recipe(BaseModel):
    """AdamW with a one-cycle learning rate schedule.

    Attributes:
        batch_size: images per step.
        learning_rate: peak learning rate.
        weight_decay: weight decay of convolution weights; norms and biases have none.
        warmup: fraction of the training before the peak.
        clip: largest norm of the gradient.
        average: horizon of the exponential moving average of weights, which is evaluated, in steps; 0: none.
        flip: mirror half of the images; wrong for asymmetric objects such as digits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_size: int = Field(16, ge=2)
    learning_rate: float = Field(4e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    warmup: float = Field(0.2, gt=0, lt=1)
    clip: float = Field(10.0, gt=0)
    average: int = Field(0, ge=0)
    flip: bool = True
