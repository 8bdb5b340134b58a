"""How a detector is trained: the settings of optimiser and schedule."""

from pydantic import BaseModel, ConfigDict, Field


class Recipe(BaseModel):
    """AdamW under one cycle of the learning rate.

    Attributes:
        batch_size: images a step.
        learning_rate: its peak.
        weight_decay: of convolution weights; norms and biases are left alone.
        warmup: part of the training before the peak.
        clip: largest norm of the gradient.
        average: steps that an exponential moving average of the weights, which is what is scored, looks back; 0: none.
        flip: mirror half of the images; wrong for what is not symmetric, such as digits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_size: int = Field(16, ge=2)
    learning_rate: float = Field(4e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    warmup: float = Field(0.2, gt=0, lt=1)
    clip: float = Field(10.0, gt=0)
    average: int = Field(0, ge=0)
    flip: bool = True
