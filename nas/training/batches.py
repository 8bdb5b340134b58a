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
        if self.masks:
            require_masks(self.data, self.images.size, self.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        return steps_per_epoch(len(self.data), self.batch_size)

    def training(self, *, seed: int, epoch: int, flip: bool, device: str) -> Iterator[Batch]:
        """One epoch in random order; an incomplete last batch is dropped, and a single image is repeated."""
        rng = np.random.default_rng((seed, epoch))
        order = shuffled(len(self.data), rng)
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
        drawn = (draw_masks(self.data, i, float(self.images.scales[i]), size).to(device) for i in chosen)
        return tuple(masks.flip(-1) if flip else masks for masks, flip in zip(drawn, mirrored, strict=True))


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Batches in an epoch of `count` images: an incomplete last one is dropped, unless it is the only one."""
    return max(1, count // batch_size)


def shuffled(count: int, rng: np.random.Generator) -> IntArray:
    """The positions of `count` images in random order; a single image is repeated."""
    # at least two images: batch statistics of one have no variance
    return np.resize(rng.permutation(count), max(2, count))


def require_masks(data: DetectionSet, size: int, batch_size: int) -> None:
    """Check that a set has masks, and that those of its fullest images fit into this machine's memory as one batch.

    Raises:
        DataError: they do not.
    """
    if data.segments is None:
        reasons = [str(one) for one in data.diagnostics if one.what in (MALFORMED.what, UNMASKED.what)]
        fault = f"{data.name} has annotations without a mask: give each a 'segmentation', or train another head"
        raise DataError("\n  ".join([fault, *reasons]))
    fullest = sorted(map(len, data.labels))[-batch_size:]
    needed, memory = sum(fullest) * size**2, machine_memory()
    if needed > memory:
        raise DataError(
            f"{data.name}: the {sum(fullest):,} masks of its {len(fullest)} fullest images take "
            f"{needed / 2**30:,.1f} GiB at {size} px, this machine has {memory / 2**30:,.1f} GiB: "
            "give a smaller batch or image size, or another head"
        )


def draw_masks(data: DetectionSet, position: int, scale: float, size: int) -> Tensor:
    """The masks (M, `size`, `size`), uint8, of an image letterboxed by `scale`."""
    segments = data.segments[position] if data.segments else ()
    masks = np.empty((len(segments), size, size), np.uint8)
    for mask, segment in zip(masks, segments, strict=True):
        mask[:] = draw(segment, data.sizes[position], scale, size)
    return torch.from_numpy(masks)


def _to_device(array: NDArray[Any], device: str) -> Tensor:
    """The array as a tensor on the device; copies to a GPU are asynchronous."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.startswith("cuda") else tensor.to(device)
