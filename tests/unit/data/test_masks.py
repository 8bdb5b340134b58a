"""Masks: COCO's formats, faults, letterboxing and flips."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from nas.data.cache import letterbox, letterbox_image
from nas.data.detection_set import DataError, DetectionSet
from nas.data.directory import read_split
from nas.data.masks import decode, decompress, draw, encode, is_absent, mask_fault, outline_area
from nas.training.batches import Batches
from tests.support import diagnostic_counts, shared_data

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
def test_all_mask_formats_decode_alike(form: str) -> None:
    assert mask_fault(FORMS[form], SHAPE) == ""
    assert np.array_equal(decode(FORMS[form], SHAPE), cross())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [60, 120, 30, 47])
def test_mask_is_letterboxed_like_its_image(form: str, size: int) -> None:
    """The mask equals a letterboxed white-on-black image except at grey pixels, which lie on outlines."""
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


@pytest.mark.parametrize("nothing", [None, [], [[]], [[], []], {}, ""])
def test_empty_segmentation_is_absent(nothing: object) -> None:
    assert is_absent(nothing)


MALFORMED: dict[str, tuple[object, str]] = {
    "a line": ([[1, 2, 3, 4]], "polygon of 4 numbers, not of 6, 8, 10"),
    "an odd number": ([[1, 2, 3, 4, 5, 6, 7]], "polygon of 7 numbers"),
    "text among numbers": ([[1, 2, "3", 4, 5, 6]], "polygon that is not a list of numbers"),
    "too deep": ([CROSS], "polygon that is not a list of numbers"),
    "a string": ("polygon", "neither polygons nor run lengths, but 'polygon'"),
    "not finite": ([[1, 2, 3, 4, 5, float("nan")]], "far outside its 60x40 image, or not finite"),
    "far out": ([[1, 2, 3, 4, 5, 1e6]], "far outside its 60x40 image, or not finite"),
    "one valid, one far out": ([*CROSS, [1, 2, -1e6, 4, 5, 6]], "far outside its 60x40 image"),
    "of another image": ({"size": [40, 61], "counts": [2440]}, r"of size \[40, 61\], its image of \[40, 60\]"),
    "no counts": ({"size": [40, 60]}, "'counts' that are neither a text nor a list"),
    "counts of floats": ({"size": [40, 60], "counts": [2400.0]}, "'counts' that are neither a text nor a list"),
    "too few": ({"size": [40, 60], "counts": [1000, 1399]}, "sum to 2399, its image has 2400 pixels"),
    "too many": ({"size": [40, 60], "counts": [1000, 1401]}, "sum to 2401, its image has 2400 pixels"),
    "negative": ({"size": [40, 60], "counts": [2401, -1]}, "run length outside 0 to 2400"),
    "the text of a Python object": ({"size": [40, 60], "counts": "b'abc'"}, "foreign characters"),
    "foreign letters": ({"size": [40, 60], "counts": "é"}, "foreign characters"),
    "cut short": ({"size": [40, 60], "counts": FORMS["compressed"]["counts"][:-1]}, "cut short|sum to"),
    "ends within a number": ({"size": [40, 60], "counts": "ooo"}, "cut short"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_mask_fault_names_the_fault(case: str) -> None:
    bad, fault = MALFORMED[case]
    assert not is_absent(bad)
    assert re.search(fault, mask_fault(bad, SHAPE))


@pytest.mark.parametrize("form", FORMS)
def test_mask_of_too_many_pixels_is_malformed(form: str) -> None:
    assert "more pixels than run lengths" in mask_fault(FORMS[form], (2**16, 2**15))


def test_decompress_inverts_pycocotools() -> None:
    """For random masks, from a single run to one run per pixel."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        height, width = (int(n) for n in rng.integers(1, 60, 2))
        pixels = rng.random((height, width)) < rng.random()
        pixels[: height // 3] = rng.random() < 0.5
        written = encode(pixels[None])[0]
        assert mask_fault(written, (height, width)) == ""
        runs = decompress(written["counts"])
        assert np.array_equal(np.repeat(np.arange(len(runs)) % 2, runs), pixels.T.ravel())


def test_outline_area_matches_known_areas() -> None:
    """A triangle by its formula, two rectangles, and run lengths by their pixel count."""
    assert outline_area([[0, 0, 40, 0, 0, 30]]) == 600
    assert outline_area([[0, 0, 10, 0, 10, 5, 0, 5], [20, 0, 20, 5, 30, 5, 30, 0]]) == 100
    assert outline_area(FORMS["counts"]) == outline_area(FORMS["compressed"]) == cross().sum()


def test_malformed_masks_are_reported_and_dropped(tmp_path: Path) -> None:
    """The boxes are still used. A head that needs masks raises an error that names the annotation and the file."""
    data = _read_with_masks(tmp_path, [CROSS, {"size": [40, 60], "counts": "b'abc'"}])
    assert data.segments is None
    assert data.num_objects == 2
    assert diagnostic_counts(data)["malformed masks"] == 1
    with pytest.raises(DataError, match=r"train\.json: warning: malformed masks.*annotation 2 has compressed"):
        Batches(data, letterbox(data, 64), 2, masks=True)


def _read_with_masks(folder: Path, segments: list[Any]) -> DetectionSet:
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


def test_set_has_masks_if_every_annotation_has_one(tmp_path: Path) -> None:
    data = _read_with_masks(tmp_path, [CROSS, FORMS["counts"]])
    assert data.segments == ((CROSS, FORMS["counts"]),)
    assert "annotations without a mask" not in diagnostic_counts(data)


def test_annotations_without_a_mask_are_counted(tmp_path: Path) -> None:
    data = _read_with_masks(tmp_path, [CROSS, [], None])
    assert data.segments is None
    assert diagnostic_counts(data)["annotations without a mask"] == 2
    with pytest.raises(DataError, match="without a mask"):
        Batches(data, letterbox(data, 64), 1, masks=True)


def test_masks_beyond_memory_are_refused_before_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _read_with_masks(tmp_path, [CROSS] * 300)
    monkeypatch.setattr("nas.training.batches.machine_memory", lambda: 300 * 64 * 64)
    Batches(data, letterbox(data, 64), 1, masks=True)
    with pytest.raises(DataError, match=r"the 300 masks of its 1 fullest images take .* GiB at 65 px, this"):
        Batches(data, letterbox(data, 65), 1, masks=True)


def test_set_without_any_mask_has_no_warning(tmp_path: Path) -> None:
    data = _read_with_masks(tmp_path, [[], []])
    assert data.segments is None
    assert "annotations without a mask" not in diagnostic_counts(data)


@pytest.fixture(scope="module")
def mini() -> DetectionSet:
    folder = shared_data() / "data" / "coco_mini"
    return read_split(folder / "val.json", folder / "images").subset(16)


@pytest.mark.parametrize("size", [160, 480])
def test_masks_fill_their_boxes_when_flipped(mini: DetectionSet, size: int) -> None:
    batches = Batches(mini, letterbox(mini, size), 16, masks=True)
    ((_, plain),) = batches.training(seed=0, epoch=0, flip=False, device="cpu")
    ((_, mirrored),) = batches.training(seed=0, epoch=0, flip=True, device="cpu")
    moved = [not torch.equal(a["boxes"], b["boxes"]) for a, b in zip(plain, mirrored, strict=True)]
    assert 0 < sum(moved) < 16
    off: list[Tensor] = []
    for before, after, flipped in zip(plain, mirrored, moved, strict=True):
        assert torch.equal(after["masks"], before["masks"].flip(-1) if flipped else before["masks"])
        for mask, box in zip(after["masks"], after["boxes"], strict=True):
            if mask.any():  # very small masks vanish
                rows, columns = (mask.any(dim).nonzero().squeeze(1) for dim in (1, 0))
                extent = torch.stack((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
                off.append((extent - box).abs().max())
    assert torch.stack(off).median() <= 1
    assert torch.stack(off).quantile(0.95) <= 4  # thin spikes vanish


def test_batches_have_no_masks_by_default(mini: DetectionSet) -> None:
    ((_, targets),) = Batches(mini, letterbox(mini, 64), 16).training(seed=0, epoch=0, flip=True, device="cpu")
    assert all(set(t) == {"boxes", "labels"} for t in targets)
    assert replace(mini).subset(3).segments == (mini.segments or ())[:3]
