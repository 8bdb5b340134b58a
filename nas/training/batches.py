"""Batches of letterboxed images and their targets."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.data.cache import Images
from nas.data.detection_set import DataError, DetectionSet, IntArray
from nas.data.masks import draw

Target = dict[str, Tensor]
Batch = tuple[Tensor, list[Target]]
"""Images (N, 3, S, S) float in 0..1, and a dict of boxes (M, 4), labels (M,) and, where asked for, masks (M, S, S)."""


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches of one set. The order and flips of an epoch depend on nothing but the seed and the epoch.

    Raises:
        DataError: masks are asked for, and the set has none.
    """

    data: DetectionSet
    images: Images
    batch_size: int
    masks: bool = False

    def __post_init__(self) -> None:
        if self.masks and self.data.segments is None:
            raise DataError(
                f"{self.data.name} has annotations without a mask: give each a 'segmentation', or train another head"
            )

    @property
    def steps_per_epoch(self) -> int:
        return max(1, len(self.data) // self.batch_size)

    def training(self, *, seed: int, epoch: int, flip: bool, device: str) -> Iterator[Batch]:
        """One epoch in random order; what does not fill a batch is left out."""
        rng = np.random.default_rng((seed, epoch))
        order = rng.permutation(len(self.data))
        mirrored = rng.random(len(self.data)) < (0.5 if flip else 0.0)
        for step in range(self.steps_per_epoch):
            chosen = order[step * self.batch_size : (step + 1) * self.batch_size]
            yield self._batch(chosen, mirrored[chosen], device)

    def forever(self, *, seed: int, flip: bool, device: str) -> Iterator[Batch]:
        """One epoch after the other."""
        for epoch in count():
            yield from self.training(seed=seed, epoch=epoch, flip=flip, device=device)

    def _batch(self, chosen: IntArray, mirrored: NDArray[np.bool_], device: str) -> Batch:
        images = torch.from_numpy(self.images.take(chosen)).to(device, torch.float32).div_(255)
        targets = [self._target(i, images.shape[-1], device) for i in chosen]
        for position in np.flatnonzero(mirrored):
            images[position] = images[position].flip(-1)
            boxes = targets[position]["boxes"]
            targets[position]["boxes"] = torch.stack(
                (images.shape[-1] - boxes[:, 2], boxes[:, 1], images.shape[-1] - boxes[:, 0], boxes[:, 3]), 1
            )
            if self.masks:
                targets[position]["masks"] = targets[position]["masks"].flip(-1)
        return images, targets

    def _target(self, position: int, size: int, device: str) -> Target:
        boxes = torch.from_numpy(self.data.boxes[position] * self.images.scales[position])
        labels = torch.from_numpy(self.data.labels[position])
        target = {"boxes": boxes.to(device), "labels": labels.to(device)}
        if self.masks:
            target["masks"] = self._drawn(position, size).to(device)
        return target

    def _drawn(self, position: int, size: int) -> Tensor:
        """The masks of an image (M, S, S), uint8."""
        shape, scale = self.data.sizes[position], float(self.images.scales[position])
        segments = self.data.segments[position] if self.data.segments else ()
        masks = [draw(segment, shape, scale, size) for segment in segments]
        return torch.from_numpy(np.stack(masks) if masks else np.zeros((0, size, size), np.uint8))
