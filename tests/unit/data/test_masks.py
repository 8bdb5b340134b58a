"""Masks: what COCO writes, at any size, with their boxes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support import shared_data
from torch import Tensor

from nas.data.cache import letterbox, letterbox_image
from nas.data.coco import read_split
from nas.data.detection_set import DataError, DetectionSet
from nas.data.masks import decode, draw, encode, is_mask
from nas.training.batches import Batches

SHAPE = (40, 60)
CROSS = [[20, 5, 30, 5, 30, 35, 20, 35], [10, 15, 50, 15, 50, 20, 10, 20]]


def cross() -> np.ndarray[Any, np.dtype[np.bool_]]:
    pixels = np.zeros(SHAPE, bool)
    pixels[5:35, 20:30] = True
    pixels[15:20, 10:50] = True
    return pixels


def uncompressed(pixels: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, Any]:
    flat = pixels.T.ravel()
    runs = np.diff(np.flatnonzero(np.diff(flat, prepend=False, append=~flat[-1])), prepend=0)
    return {"size": list(pixels.shape), "counts": runs.tolist()}


FORMS = {"polygons": CROSS, "counts": uncompressed(cross()), "compressed": encode(cross()[None])[0]}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_hold_the_same_mask(form: str) -> None:
    assert is_mask(FORMS[form], SHAPE)
    assert np.array_equal(decode(FORMS[form], SHAPE), cross())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [60, 120, 30, 47])
def test_a_mask_is_drawn_where_its_image_lies(form: str, size: int) -> None:
    """White on black, letterboxed as images are: alike wherever the image is not grey, as outlines are."""
    image = np.repeat(cross()[:, :, None], 3, axis=2).astype(np.uint8) * 255
    boxed, scale = letterbox_image(image, size)
    drawn = draw(FORMS[form], SHAPE, scale, size)
    rows, columns = SHAPE[0] * size // 60, size
    assert drawn.shape == (size, size)
    assert not drawn[rows:].any()
    pixels = boxed[0, :rows, :columns]
    wrong = drawn[:rows, :columns].astype(bool) != (pixels > 127)
    assert not wrong[(pixels == 0) | (pixels == 255)].any()
    assert wrong.sum() <= (0 if size % SHAPE[1] == 0 else 0.2) * drawn.sum()


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        [[]],
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        [[1, 2, "3", 4, 5, 6]],
        [CROSS],
        {"size": [40, 61], "counts": [2400]},
        {"size": [40, 60]},
        "polygon",
    ],
)
def test_what_is_no_mask(bad: object) -> None:
    assert not is_mask(bad, SHAPE)


def _write(folder: Path, segments: list[Any]) -> DetectionSet:
    (folder / "images").mkdir()
    Image.new("RGB", SHAPE[::-1]).save(folder / "images" / "1.png")
    document = {
        "images": [{"id": 1, "file_name": "1.png", "height": SHAPE[0], "width": SHAPE[1]}],
        "categories": [{"id": 1, "name": "cross"}],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": 1, "bbox": [10, 5, 40, 30], "segmentation": s}
            for i, s in enumerate(segments, 1)
        ],
    }
    (folder / "train.json").write_text(json.dumps(document))
    return read_split(folder / "train.json", folder / "images")


def test_a_set_has_masks_if_every_annotation_has(tmp_path: Path) -> None:
    data = _write(tmp_path, [CROSS, FORMS["counts"]])
    assert data.segments == ((CROSS, FORMS["counts"]),)
    assert data.skipped == {}


def test_a_set_with_some_masks_tells_how_many_lack(tmp_path: Path) -> None:
    data = _write(tmp_path, [CROSS, [], None])
    assert data.segments is None
    assert data.skipped == {"unmasked": 2}
    with pytest.raises(DataError, match="without a mask"):
        Batches(data, letterbox(data, 64), 1, masks=True)


def test_a_set_without_masks_is_not_blamed(tmp_path: Path) -> None:
    data = _write(tmp_path, [[], []])
    assert data.segments is None
    assert data.skipped == {}


@pytest.fixture(scope="module")
def mini() -> DetectionSet:
    folder = shared_data() / "data" / "coco_mini"
    return read_split(folder / "val.json", folder / "images").subset(16)


@pytest.mark.parametrize("size", [160, 480])
def test_masks_fill_their_boxes_also_when_mirrored(mini: DetectionSet, size: int) -> None:
    batches = Batches(mini, letterbox(mini, size), 16, masks=True)
    ((_, plain),) = batches.training(seed=0, epoch=0, flip=False, device="cpu")
    ((_, mirrored),) = batches.training(seed=0, epoch=0, flip=True, device="cpu")
    moved = [not torch.equal(a["boxes"], b["boxes"]) for a, b in zip(plain, mirrored, strict=True)]
    assert 0 < sum(moved) < 16
    off: list[Tensor] = []
    for before, after, flipped in zip(plain, mirrored, moved, strict=True):
        assert torch.equal(after["masks"], before["masks"].flip(-1) if flipped else before["masks"])
        for mask, box in zip(after["masks"], after["boxes"], strict=True):
            if mask.any():  # the smallest vanish
                rows, columns = (mask.any(dim).nonzero().squeeze(1) for dim in (1, 0))
                extent = torch.stack((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
                off.append((extent - box).abs().max())
    assert torch.stack(off).median() <= 1
    assert torch.stack(off).quantile(0.95) <= 4  # thin spikes vanish


def test_masks_are_left_out_unless_asked_for(mini: DetectionSet) -> None:
    ((_, targets),) = Batches(mini, letterbox(mini, 64), 16).training(seed=0, epoch=0, flip=True, device="cpu")
    assert all(set(t) == {"boxes", "labels"} for t in targets)
    assert replace(mini).subset(3).segments == (mini.segments or ())[:3]
