"""Normalisation of whole batches, for pipelines that make all images one size."""

import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import GeneralizedRCNNTransform

Targets = list[dict[str, Tensor]]


class BatchTransform(GeneralizedRCNNTransform):
    """torchvision's transform, which also takes a batch (N, 3, H, W) as it is: normalised at once, not resized."""

    @classmethod
    def standard(cls) -> "BatchTransform":
        """With the sizes and ImageNet's statistics that torchvision's detectors begin with."""
        return cls(800, 1333, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])

    @classmethod
    def like(cls, given: GeneralizedRCNNTransform) -> "BatchTransform":
        """With the sizes and statistics of a transform that torchvision made."""
        return cls(given.min_size, given.max_size, given.image_mean, given.image_std)

    def forward(
        self, images: list[Tensor] | Tensor, targets: Targets | None = None
    ) -> tuple[ImageList, Targets | None]:
        """Images in 0..1, as a list of any sizes or one batch -> normalised batch and its targets."""
        if not isinstance(images, Tensor):
            return super().forward(images, targets)
        mean = torch.tensor(self.image_mean, device=images.device)[:, None, None]
        std = torch.tensor(self.image_std, device=images.device)[:, None, None]
        size = (images.shape[-2], images.shape[-1])
        return ImageList((images - mean) / std, [size] * len(images)), targets

    def postprocess(
        self, result: Targets, image_shapes: list[tuple[int, int]], original_image_sizes: list[tuple[int, int]]
    ) -> Targets:
        """Boxes and masks back in the pixels of the images that were given."""
        if image_shapes == original_image_sizes and not any("masks" in found for found in result):
            return result
        return super().postprocess(result, image_shapes, original_image_sizes)
