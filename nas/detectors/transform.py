"""Normalisation of whole batches, for pipelines with images of one size."""

from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from nas.data.targets import Target


class BatchTransform(GeneralizedRCNNTransform):
    """torchvision's transform, which also takes a batch (N, 3, H, W): normalised at once, not resized."""

    mean: Tensor
    std: Tensor

    def __init__(self, min_size: Any, max_size: int, image_mean: list[float], image_std: list[float]) -> None:
        super().__init__(min_size, max_size, image_mean, image_std)
        # buffers move with the model, which saves a copy to the device in every step
        self.register_buffer("mean", torch.tensor(image_mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(image_std)[:, None, None], persistent=False)

    @classmethod
    def standard(cls) -> "BatchTransform":
        """With the default sizes of torchvision's detectors and ImageNet's statistics."""
        return cls(800, 1333, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])

    @classmethod
    def like(cls, given: GeneralizedRCNNTransform) -> "BatchTransform":
        """With the sizes and statistics of a transform of torchvision."""
        return cls(given.min_size, given.max_size, given.image_mean, given.image_std)

    def forward(
        self, images: list[Tensor] | Tensor, targets: list[Target] | None = None
    ) -> tuple[ImageList, list[Target] | None]:
        """Images in 0..1, as a list of any sizes or one batch -> normalised batch and its targets."""
        if not isinstance(images, Tensor):
            return super().forward(images, targets)
        size = (images.shape[-2], images.shape[-1])
        return ImageList((images - self.mean) / self.std, [size] * len(images)), targets

    def postprocess(
        self, result: list[Target], image_shapes: list[tuple[int, int]], original_image_sizes: list[tuple[int, int]]
    ) -> list[Target]:
        """Boxes and masks in the pixels of the original images."""
        if image_shapes == original_image_sizes and not any("masks" in found for found in result):
            return result
        return super().postprocess(result, image_shapes, original_image_sizes)
