"""Batches of letterboxed images and their targets."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.cost import machine_memory
from nas.data.cache import Images
from nas.data.detection_set import DataError, DetectionSet, FloatArray, IntArray
from nas.data.masks import MALFORMED, UNMASKED, draw
from nas.data.targets import Targets

Batch = tuple[Tensor, Targets]
"""Images (N, 3, S, S), float in 0..1, and their targets."""


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches of one set. The order and flips of an epoch depend on the seed and the epoch only.

    Raises:
        DataError: masks are requested and the set has none, or the masks of its fullest images exceed memory.
    """

    data: DetectionSet
    images: Images
    batch_size: int
    masks: bool = False

    def __post_init__(self) -> None:
        if self.masks and self.data.segments is None:
            reasons = [str(one) for one in self.data.diagnostics if one.what in (MALFORMED.what, UNMASKED.what)]
            raise DataError(
                "\n  ".join(
                    [
                        f"{self.data.name} has annotations without a mask: give each a 'segmentation', or train "
                        "another head",
                        *reasons,
                    ]
                )
            )
        if self.masks:
            self._require_memory()

    def _require_memory(self) -> None:
        """Reject masks whose largest possible batch exceeds this machine's memory."""
        fullest = sorted(map(len, self.data.labels))[-self.batch_size :]
        needed, memory = sum(fullest) * self.images.size**2, machine_memory()
        if needed > memory:
            raise DataError(
                f"{self.data.name}: the {sum(fullest):,} masks of its {len(fullest)} fullest images take "
                f"{needed / 2**30:,.1f} GiB at {self.images.size} px, this machine has {memory / 2**30:,.1f} GiB: "
                "give a smaller batch or image size, or another head"
            )

    @property
    def steps_per_epoch(self) -> int:
        return max(1, len(self.data) // self.batch_size)

    def training(self, *, seed: int, epoch: int, flip: bool, device: str) -> Iterator[Batch]:
        """One epoch in random order; an incomplete last batch is dropped, and a single image is repeated."""
        rng = np.random.default_rng((seed, epoch))
        # at least two images: batch statistics of one have no variance
        order = np.resize(rng.permutation(len(self.data)), max(2, len(self.data)))
        mirrored = rng.random(len(order)) < (0.5 if flip else 0.0)
        for step in range(self.steps_per_epoch):
            chosen = order[step * self.batch_size : (step + 1) * self.batch_size]
            yield self._batch(chosen, mirrored[chosen], device)

    def forever(self, *, seed: int, flip: bool, device: str) -> Iterator[Batch]:
        """Batches of consecutive epochs, without end."""
        for epoch in count():
            yield from self.training(seed=seed, epoch=epoch, flip=flip, device=device)

    def _batch(self, chosen: IntArray, mirrored: NDArray[np.bool_], device: str) -> Batch:
        pixels = self.images.take(chosen)
        pixels[mirrored] = pixels[mirrored, ..., ::-1]
        images = _to_device(pixels, device).float().div_(255)
        masks = self._masks(chosen, mirrored, images.shape[-1], device) if self.masks else None
        return images, self._targets(chosen, mirrored, images.shape[-1], device, masks)

    def _targets(
        self,
        chosen: IntArray,
        mirrored: NDArray[np.bool_],
        size: int,
        device: str,
        masks: tuple[Tensor, ...] | None,
    ) -> Targets:
        all_boxes, all_labels, starts = self._objects
        counts = starts[chosen + 1] - starts[chosen]
        place = np.arange(max(1, counts.max()))
        there = place < counts[:, None]
        rows = np.where(there, starts[chosen, None] + place, -1)  # the last row is empty
        boxes = all_boxes[rows] * self.images.scales[chosen, None, None]
        turned = boxes[mirrored]
        turned[..., [0, 2]] = np.where(there[mirrored, :, None], size - turned[..., [2, 0]], 0)
        boxes[mirrored] = turned
        return Targets(
            _to_device(boxes, device),
            _to_device(all_labels[rows], device),
            tuple(counts.tolist()),
            masks,
        )

    @cached_property
    def _objects(self) -> tuple[FloatArray, IntArray, IntArray]:
        """All boxes (T + 1, 4) and labels (T + 1,) with an empty last row, and each image's first row (N + 1,)."""
        boxes = np.concatenate((*self.data.boxes, np.zeros((1, 4), np.float32)))
        labels = np.concatenate((*self.data.labels, np.zeros(1, np.int64)))
        return boxes, labels, np.cumsum([0, *map(len, self.data.labels)])

    def _masks(self, chosen: IntArray, mirrored: NDArray[np.bool_], size: int, device: str) -> tuple[Tensor, ...]:
        drawn = (self._drawn(i, size).to(device) for i in chosen)
        return tuple(masks.flip(-1) if flip else masks for masks, flip in zip(drawn, mirrored, strict=True))

    def _drawn(self, position: int, size: int) -> Tensor:
        """The masks of an image (M, S, S), uint8."""
        shape, scale = self.data.sizes[position], float(self.images.scales[position])
        segments = self.data.segments[position] if self.data.segments else ()
        masks = np.empty((len(segments), size, size), np.uint8)
        for mask, segment in zip(masks, segments, strict=True):
            mask[:] = draw(segment, shape, scale, size)
        return torch.from_numpy(masks)


def _to_device(array: NDArray[Any], device: str) -> Tensor:
    """The array as a tensor on the device; copies to a GPU are asynchronous."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.startswith("cuda") else tensor.to(device)
