"""How a detector is trained: the settings of optimiser and schedule."""

from pathlib import Path

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


class FitConfig(BaseModel):
    """How long and on what.

    Attributes:
        epochs: passes over the training images.
        recipe: how each step is made.
        seed: of weights, order and augmentation.
        cache_gib: memory that a set's decoded images may take; beyond it they are decoded as they are needed.
        backbone_weights: to begin with: a state dict of torchvision's ResNet for a genotype with nodes c2 .. c5, of the
            timm model for one with a timm stem, or a checkpoint with the genotype's backbone, whose padding and norm
            epsilon are then taken over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(30, ge=1)
    recipe: Recipe = Recipe()
    seed: int = Field(0, ge=0)
    cache_gib: float = Field(4.0, ge=0)
    backbone_weights: Path | None = None
