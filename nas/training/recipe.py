"""Settings of a training: its duration, and its recipe of optimiser, schedule and augmentation."""

from pathlib import Path

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


class FitConfig(BaseModel):
    """Duration, recipe and initial weights of a training.

    Attributes:
        epochs: passes over the training images.
        recipe: settings of optimiser, schedule and augmentation.
        seed: seed of weights, order and augmentation.
        cache_gib: memory for a set's decoded images, GiB; a larger set is decoded on each use.
        workers: processes that load images ahead of the training; 0 loads in the training's own process. If omitted, 0
            for a set within `cache_gib`, else one per spare CPU, at most 8.
        backbone_weights: initial weights: a state dict of torchvision's ResNet for a genotype with nodes c2 .. c5, of
            the timm model for one with a timm stem, or a checkpoint with the genotype's backbone, whose padding and
            norm epsilon are then adopted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(30, ge=1)
    recipe: Recipe = Recipe()
    seed: int = Field(0, ge=0)
    cache_gib: float = Field(4.0, ge=0)
    workers: int | None = Field(None, ge=0)
    backbone_weights: Path | None = None
