"""Normalisation of whole batches, for pipelines that make all images one size."""

import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import GeneralizedRCNNTransform

Targets = list[dict[str, Tensor]]


class BatchTransform(GeneralizedRCNNTransform):
    """torchvision's transform, which also takes a batch (N, 3, H, W) as it is: normalised at once, not resized."""

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
