"""Loading of `nas train`: letterboxed images by torch's `DataLoader`, augmented by `torchvision.transforms.v2`.

The images of an epoch, their order and their augmentation depend on the seed and the epoch only, whatever the number of
workers. Short trainings of a search read `nas.training.batches` instead: arrays in memory give 16 images of 128 px in
0.3 ms, samples in 1.4 ms (0.5 without augmentation); the step of a tiny network takes 100.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision import tv_tensors
from torchvision.transforms import v2

from nas.data.cache import ImageCache, Images, open_images
from nas.data.detection_set import DataError, DetectionSet
from nas.data.targets import Targets
from nas.seeds import nth_seed
from nas.training.batches import Batch, draw_masks, require_masks, shuffled, steps_per_epoch
from nas.training.errors import LoadingError
from nas.training.recipe import Recipe

Sample = dict[str, Tensor]
"""A letterboxed image and its objects, as transforms of `v2` take them: `image` (3, S, S) uint8, `boxes` (M, 4) xyxy
px, `labels` (M,) and, for heads with masks, `masks` (M, S, S) uint8."""

Augment = Callable[[Sample], Sample]
"""A transform of `v2`, or several composed; it draws from torch's random numbers only."""

MOST_WORKERS = 8
"""Largest default number of workers."""


class Draw(NamedTuple):
    """One image of one epoch."""

    epoch: int
    position: int


class Samples(Dataset[Sample | DataError]):
    """A set's images as samples: letterboxed, then augmented with random numbers of (seed, epoch, position).

    An image that does not decode is a `DataError` in place of its sample: raised in a worker, it would reach the user
    as that worker's traceback.

    Args:
        data: the set.
        images: its letterboxed images.
        masks: whether samples have masks.
        augment: augmentation; None for none.
        seed: seed of the augmentation.
    """

    def __init__(
        self, data: DetectionSet, images: Images, *, masks: bool = False, augment: Augment | None = None, seed: int = 0
    ) -> None:
        self.data, self.images, self.masks, self.augment, self.seed = data, images, masks, augment, seed

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, draw: Draw) -> Sample | DataError:
        try:
            sample = self._letterboxed(draw.position)
        except DataError as error:
            return error
        if self.augment is None:
            return sample
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(nth_seed(nth_seed(self.seed, draw.epoch + 1), draw.position + 1))
            return self.augment(sample)

    def _letterboxed(self, position: int) -> Sample:
        # the letterbox is not a transform of v2, whose resizing cannot crop to parts of a pixel, as Pillow's does
        size, scale = self.images.size, self.images.scales[position]
        boxes = torch.from_numpy(self.data.boxes[position] * scale)
        sample: Sample = {
            "image": tv_tensors.Image(torch.from_numpy(self.images.image(position))),
            "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(size, size)),
            "labels": torch.from_numpy(self.data.labels[position]),
        }
        if self.masks:
            sample["masks"] = tv_tensors.Mask(draw_masks(self.data, position, float(scale), size))
        return sample


class EpochBatches(Sampler[list[Draw]]):
    """The batches of an epoch: all images in random order, without an incomplete last batch.

    Attributes:
        epoch: the epoch, counted from 0; set before each iteration.
    """

    def __init__(self, count: int, batch_size: int, *, seed: int) -> None:
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.epoch = 0

    def __len__(self) -> int:
        return steps_per_epoch(self.count, self.batch_size)

    def __iter__(self) -> Iterator[list[Draw]]:
        order = shuffled(self.count, np.random.default_rng((self.seed, self.epoch))).tolist()
        for step in range(len(self)):
            yield [Draw(self.epoch, p) for p in order[step * self.batch_size : (step + 1) * self.batch_size]]


@dataclass(frozen=True, eq=False)
class HostBatch:
    """A batch in the host's memory.

    Attributes:
        pixels: images (N, 3, S, S), uint8.
        targets: their objects, without masks.
        masks: the masks of all objects (sum of M, S, S), uint8: one tensor, as each takes a file handle on its way from
            a worker.
    """

    pixels: Tensor
    targets: Targets
    masks: Tensor | None

    @staticmethod
    def of(samples: Sequence[Sample | DataError]) -> "HostBatch | DataError":
        """Samples as a batch, or the first error among them."""
        found: list[dict[str, Tensor]] = []
        for sample in samples:
            if isinstance(sample, DataError):
                return sample
            found.append({name: value.as_subclass(Tensor) for name, value in sample.items()})
        masks = torch.cat([sample["masks"] for sample in found]) if "masks" in found[0] else None
        return HostBatch(torch.stack([sample["image"] for sample in found]), Targets.of(found), masks)

    def pin_memory(self) -> "HostBatch":
        """The batch in page-locked memory, from which copies to a GPU are asynchronous; `DataLoader` calls this."""
        boxes, labels = self.targets.boxes.pin_memory(), self.targets.labels.pin_memory()
        targets = replace(self.targets, boxes=boxes, labels=labels)
        return HostBatch(self.pixels.pin_memory(), targets, None if self.masks is None else self.masks.pin_memory())

    def to(self, device: str) -> Batch:
        """The batch that detectors take, on a device."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        targets = replace(self.targets, boxes=moved(self.targets.boxes), labels=moved(self.targets.labels))
        if self.masks is not None:
            targets = replace(targets, masks=torch.split(moved(self.masks), list(self.targets.counts)))
        return moved(self.pixels).float().div_(255), targets


def augmentation(recipe: Recipe) -> Augment | None:
    """A recipe's augmentation."""
    return v2.RandomHorizontalFlip() if recipe.flip else None


def open_loader(
    data: DetectionSet,
    size: int,
    recipe: Recipe,
    *,
    seed: int,
    masks: bool,
    cache_bytes: int,
    workers: int | None,
    device: str,
) -> DataLoader[Any]:
    """A loader of a training's batches; `batches_of` reads an epoch from it.

    Args:
        data: the training set.
        size: side of the letterboxed images, px.
        recipe: batch size and augmentation.
        seed: seed of order and augmentation.
        masks: whether the head needs masks.
        cache_bytes: images that take at most this memory are decoded once; others on each use.
        workers: processes that load ahead of the training; 0 loads in the training's own process. None for 0 if the
            images are cached, else for one per spare CPU, from 1 to `MOST_WORKERS`.
        device: the training's device.

    Raises:
        DataError: an image to be cached does not decode; or masks are needed, and the set has none or too many.
    """
    if masks:
        require_masks(data, size, recipe.batch_size)
    images = open_images(data, size, limit=cache_bytes)
    if workers is None:
        workers = 0 if isinstance(images, ImageCache) else default_workers()
    samples = Samples(data, images, masks=masks, augment=augmentation(recipe), seed=seed)
    return DataLoader(
        samples,
        batch_sampler=EpochBatches(len(data), recipe.batch_size, seed=seed),
        collate_fn=HostBatch.of,
        num_workers=workers,
        pin_memory=device.startswith("cuda"),
        worker_init_fn=_leave_interrupts_to_parent if workers else None,
        # forked workers share the cache and the annotations, others would get a copy each
        multiprocessing_context="fork" if workers else None,
        persistent_workers=workers > 0,
        generator=torch.Generator(),  # else each epoch takes a number from the training's own generator
    )


def default_workers() -> int:
    """One worker per CPU that this process may use, but for one of them; from 1 to `MOST_WORKERS`."""
    return min(max(1, len(os.sched_getaffinity(0)) - 1), MOST_WORKERS)


def batches_of(loader: DataLoader[Any], epoch: int, device: str) -> Iterator[Batch]:
    """The batches of an epoch, counted from 0, on a device.

    Raises:
        DataError: an image does not decode; the message names it.
    """
    batches = loader.batch_sampler
    assert isinstance(batches, EpochBatches)
    batches.epoch = epoch
    with _interrupts_held():
        loaded = iter(loader)
    for batch in loaded:
        if isinstance(batch, DataError):
            raise batch
        yield batch.to(device)


@contextmanager
def worker_deaths_named() -> Iterator[None]:
    """Turn the errors that torch raises when a worker dies into one that says the fix.

    A handler of SIGCHLD raises one of them at any time, unless the connection to the worker broke before. This
    function removes the handler, so that it does not raise while the error is reported.

    Raises:
        LoadingError: a worker has died within.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        if isinstance(error, RuntimeError) and not str(error).startswith("DataLoader worker"):
            raise
        with suppress(RuntimeError):
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        reason = (str(error).splitlines() or [type(error).__name__])[0].strip()
        raise LoadingError(
            f"a process that loads images died ({reason}): if memory was short, give fewer --workers; --workers 0 "
            "loads without processes"
        ) from error


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold back interrupts; workers that start within never get those that a terminal sends to all processes."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_interrupts_to_parent(worker: int) -> None:
    """End quietly when terminated: the parent, if it was meant too, reports it. Called in each worker."""
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
