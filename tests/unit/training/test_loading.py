"""The data loader of `nas train`: batches, workers, augmentation and errors."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from nas.data.cache import letterbox
from nas.data.depth import ValueRange, scaled_from
from nas.data.detection_set import DataError, DetectionSet
from nas.data.digits.scenes import DigitsConfig, digits
from nas.data.directory import read_split
from nas.data.images import ImageFolder
from nas.training.batches import Batch, Batches
from nas.training.errors import LoadingError
from nas.training.loading import Draw, Samples, batches_of, default_workers, open_loader, worker_deaths_named
from nas.training.recipe import Recipe
from tests.support import shared_data

SIZE = 96
ALL_CACHED = 2**30
"""Cache size that holds every data set of these tests, bytes."""


@pytest.fixture(scope="module")
def scenes() -> DetectionSet:
    return digits(DigitsConfig(train_images=9, val_images=1, image_size=SIZE, max_side=40))[0]


@pytest.fixture(scope="module")
def masked() -> DetectionSet:
    folder = shared_data() / "data" / "coco_mini"
    return read_split(folder / "val.json", folder / "images").subset(9)


def _loader(
    data: DetectionSet, *, flip: bool = False, masks: bool = False, cache_bytes: int = 0, workers: int | None = 0
) -> DataLoader[Batch]:
    return open_loader(
        data,
        SIZE,
        Recipe(batch_size=4, flip=flip),
        seed=3,
        masks=masks,
        cache_bytes=cache_bytes,
        workers=workers,
        device="cpu",
    )


def _epochs(loader: DataLoader[Batch]) -> list[Batch]:
    return [batch for epoch in (0, 1) for batch in batches_of(loader, epoch, "cpu")]


def _tensors(batch: Batch) -> Iterator[Tensor]:
    images, targets = batch
    yield from (images, targets.boxes, targets.labels, torch.tensor(targets.counts), *(targets.masks or ()))


def _assert_equal(first: list[Batch], second: list[Batch]) -> None:
    for one, other in zip(first, second, strict=True):
        for before, after in zip(_tensors(one), _tensors(other), strict=True):
            assert torch.equal(before, after)


@pytest.mark.parametrize("cache_bytes", [0, ALL_CACHED], ids=["decoded", "cached"])
@pytest.mark.parametrize("kind", ["scenes", "masked"])
def test_loader_gives_the_batches_of_the_array_path(
    kind: str, cache_bytes: int, request: pytest.FixtureRequest
) -> None:
    """Without augmentation, pixels, boxes, labels and masks are identical, in the same order."""
    data: DetectionSet = request.getfixturevalue(kind)
    batches = Batches(data, letterbox(data, SIZE), 4, masks=kind == "masked")
    expected = [b for epoch in (0, 1) for b in batches.training(seed=3, epoch=epoch, flip=False, device="cpu")]
    _assert_equal(expected, _epochs(_loader(data, masks=kind == "masked", cache_bytes=cache_bytes)))


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(masked: DetectionSet, workers: int) -> None:
    alone, shared = (_loader(masked, flip=True, masks=True, workers=number) for number in (0, workers))
    _assert_equal(_epochs(alone), _epochs(shared))


@pytest.mark.gpu
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_on_a_gpu_equal_those_on_the_cpu(masked: DetectionSet, workers: int) -> None:
    expected = _epochs(_loader(masked, masks=True))
    loader = open_loader(
        masked,
        SIZE,
        Recipe(batch_size=4, flip=False),
        seed=3,
        masks=True,
        cache_bytes=0,
        workers=workers,
        device="cuda",
    )
    on_gpu = [batch for epoch in (0, 1) for batch in batches_of(loader, epoch, "cuda")]
    for before, after in zip(expected, on_gpu, strict=True):
        assert after[0].is_cuda
        assert after[1].boxes.is_cuda
        for one, other in zip(_tensors(before), _tensors(after), strict=True):
            assert torch.equal(one, other.cpu())


def test_augmentation_depends_on_seed_and_epoch_and_keeps_torchs_random_state(scenes: DetectionSet) -> None:
    images = letterbox(scenes, SIZE)

    def flips(seed: int, epoch: int) -> list[bool]:
        plain, augmented = (
            Samples(scenes, images),
            Samples(scenes, images, augment=v2.RandomHorizontalFlip(), seed=seed),
        )
        pairs = ((s[Draw(epoch, p)] for s in (plain, augmented)) for p in range(len(scenes)))
        found = [[s["image"] for s in pair if isinstance(s, dict)] for pair in pairs]
        return [not torch.equal(one, other) for one, other in found]

    before = torch.get_rng_state()
    first = flips(0, 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert 0 < sum(first) < len(first)
    assert flips(0, 0) == first
    assert flips(0, 1) != first
    assert flips(1, 0) != first


def test_flip_moves_boxes_and_masks_with_their_image(masked: DetectionSet) -> None:
    images = letterbox(masked, SIZE)
    plain = Samples(masked, images, masks=True)
    flipped = Samples(masked, images, masks=True, augment=v2.RandomHorizontalFlip(1.0))
    for position in range(len(masked)):
        before, after = plain[Draw(0, position)], flipped[Draw(0, position)]
        assert isinstance(before, dict)
        assert isinstance(after, dict)
        x1, y1, x2, y2 = before["boxes"].as_subclass(Tensor).unbind(-1)
        assert torch.equal(after["boxes"].as_subclass(Tensor), torch.stack((SIZE - x2, y1, SIZE - x1, y2), -1))
        for part in ("image", "masks"):
            assert torch.equal(after[part], before[part].flip(-1))
        assert torch.equal(after["labels"], before["labels"])


def test_single_image_is_repeated_to_a_batch_of_two(scenes: DetectionSet) -> None:
    ((images, targets),) = batches_of(_loader(scenes.select([0])), 0, "cpu")
    assert torch.equal(images[0], images[1])
    assert len(targets) == 2


def test_images_without_objects_give_padded_targets(scenes: DetectionSet) -> None:
    empty = replace(
        scenes,
        boxes=tuple(np.zeros((0, 4), np.float32) for _ in scenes.boxes),
        labels=tuple(np.zeros(0, np.int64) for _ in scenes.labels),
    )
    for _, targets in _epochs(_loader(empty, flip=True, workers=1)):
        assert targets.counts == (0,) * 4
        assert targets.boxes.shape == (4, 1, 4)


def _files(scenes: DetectionSet, folder: Path, names: tuple[str, ...]) -> DetectionSet:
    return replace(scenes.select(range(len(names))), load=ImageFolder(folder, names))


@pytest.mark.parametrize("workers", [0, 1])
def test_error_names_an_image_that_does_not_decode(scenes: DetectionSet, tmp_path: Path, workers: int) -> None:
    """The message is the same from a worker, without the worker's traceback."""
    (tmp_path / "torn.png").write_bytes(b"\x89PNG torn")
    loader = _loader(_files(scenes, tmp_path, ("torn.png",) * 4), workers=workers)
    with pytest.raises(DataError, match=r"image \d: .*torn\.png does not decode.*; replace the file") as caught:
        list(batches_of(loader, 0, "cpu"))
    assert "Traceback" not in str(caught.value)


def test_16_bit_images_are_scaled_from_the_given_range(scenes: DetectionSet, tmp_path: Path) -> None:
    Image.fromarray(np.full((SIZE, SIZE), 2048, np.uint16)).save(tmp_path / "deep.png")
    data = scaled_from(_files(scenes, tmp_path, ("deep.png",) * 4), ValueRange(0, 4096))
    ((images, _),) = batches_of(_loader(data, workers=1), 0, "cpu")
    assert torch.equal(images, torch.full_like(images, 128 / 255))


@pytest.mark.parametrize(
    ("cache_bytes", "workers", "expected"),
    [(ALL_CACHED, None, 0), (0, None, default_workers()), (ALL_CACHED, 2, 2), (0, 0, 0)],
)
def test_cached_images_need_no_workers(
    scenes: DetectionSet, cache_bytes: int, workers: int | None, expected: int
) -> None:
    assert _loader(scenes, cache_bytes=cache_bytes, workers=workers).num_workers == expected


def _worker_pids(loader: DataLoader[Batch]) -> list[int]:
    return [process.pid for process in loader._iterator._workers]  # type: ignore[union-attr]


def test_death_of_a_worker_is_an_error_with_a_fix(scenes: DetectionSet) -> None:
    loader = _loader(scenes, workers=1)
    with pytest.raises(LoadingError, match=r"died .*--workers 0"):
        _train_while_a_worker_dies(loader)


def _train_while_a_worker_dies(loader: DataLoader[Batch]) -> None:
    with worker_deaths_named():
        for epoch in range(100):
            for _ in batches_of(loader, epoch, "cpu"):
                os.kill(_worker_pids(loader)[0], signal.SIGKILL)


def test_workers_ignore_interrupts(scenes: DetectionSet, capfd: pytest.CaptureFixture[str]) -> None:
    """A worker survives SIGINT, ends when its loader is deleted, and prints nothing."""
    loader = _loader(scenes, workers=2)
    assert len(list(batches_of(loader, 0, "cpu"))) == 2
    first, second = _worker_pids(loader)
    for pid in (first, second):
        os.kill(pid, signal.SIGINT)
    assert len(list(islice(batches_of(loader, 1, "cpu"), 1))) == 1
    start = time.monotonic()
    del loader
    for pid in (first, second):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert time.monotonic() - start < 60
    assert capfd.readouterr() == ("", "")
