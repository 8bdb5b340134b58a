"""The guided YOLOv3 head: boxes, losses and gradients of the official code."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.ops import box_convert

from nas.detectors.yolov3.grid import Grid, make_grid
from nas.detectors.yolov3.head import GuidedHead, Raw
from nas.detectors.yolov3.loss import Terms, losses, terms
from nas.detectors.yolov3.match import gather_truths, match
from nas.importers.asff import head_state
from search_spaces.ops import op
from tests.support import shared_data


@pytest.fixture
def official() -> dict[str, Any]:
    data = np.load(shared_data() / "fixtures" / "yolov3head_plain.npz")
    meta = json.loads(str(data["meta"]))
    return {**{name: torch.from_numpy(data[name]) for name in data if name != "meta"}, "meta": meta}


def part(official: dict[str, Any], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): x for name, x in official.items() if name.startswith(prefix)}


def head(official: dict[str, Any]) -> GuidedHead:
    meta = official["meta"]
    operator = op("yolov3", rfb=meta["rfb"], deformable=not meta["sep"])
    module = GuidedHead(meta["in_ch"], meta["n_classes"], operator)
    module.load_state_dict(head_state(part(official, "sd.")))
    return module


def grid(official: dict[str, Any]) -> tuple[Grid, tuple[int, int]]:
    """The grid of all three levels, over which objects are assigned; the fixture has outputs of the coarsest only."""
    rows, columns = official["x"].shape[-2:]
    size = (rows * 32, columns * 32)
    return make_grid(size, (3, 4, 5), "released", 1.0, torch.device("cpu")), size


def targets(labels: Tensor) -> list[dict[str, Tensor]]:
    rows = [image[image.sum(1) > 0] for image in labels]
    return [
        {"boxes": box_convert(r[:, 1:5], "cxcywh", "xyxy"), "labels": r[:, 0].long()}
        | ({"mixup": r[:, 5]} if r.shape[1] > 5 else {})
        for r in rows
    ]


def pad_to_all_levels(raw: Raw, grid: Grid) -> Raw:
    """Prepend zeros for the finer levels."""
    rest = len(grid.base) - raw.objectness.shape[1]
    return Raw(*(torch.cat((x.new_zeros(x.shape[0], rest, *x.shape[2:]), x), 1) for x in raw))


def official_losses(module: GuidedHead, official: dict[str, Any], labels: Tensor) -> list[Tensor]:
    """Losses of the coarsest level alone, per image."""
    anchor_grid, size = grid(official)
    made = module(official["x"])
    first = len(anchor_grid.base) - made.objectness.shape[1]
    raw, truths = pad_to_all_levels(made, anchor_grid), gather_truths(targets(labels))
    found = terms(raw, anchor_grid, truths, size, smoothing=official["meta"]["label_smooth"])
    here = match(truths, anchor_grid.anchors(raw.guide), anchor_grid).positive % len(anchor_grid.base) >= first
    sums = [
        x[:, first:].sum() if name == "objectness" else x[here].sum()
        for name, x in zip(Terms._fields, found, strict=True)
    ]
    return [total / len(labels) for total in sums]


def test_boxes_and_probabilities_match_the_official_code(official: dict[str, Any]) -> None:
    anchor_grid, _ = grid(official)
    with torch.inference_mode():
        raw = pad_to_all_levels(head(official)(official["x"]), anchor_grid)
        boxes = box_convert(anchor_grid.boxes(raw.boxes, anchor_grid.anchors(raw.guide)), "xyxy", "cxcywh")
        made = torch.cat((boxes, raw.objectness.sigmoid()[..., None], raw.classes.sigmoid()), -1)
    decoded = official["decoded"]
    torch.testing.assert_close(made[:, -decoded.shape[1] :], decoded, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("suffix", ["", "_mixup"])
def test_losses_match_the_official_code(official: dict[str, Any], suffix: str) -> None:
    made = official_losses(head(official), official, official[f"labels{suffix}"])
    torch.testing.assert_close(
        torch.stack([torch.stack(list(made)).sum(), *made]), official[f"losses{suffix}"], rtol=1e-5, atol=1e-5
    )


def test_gradients_match_the_official_code(official: dict[str, Any]) -> None:
    module = head(official)
    sum(official_losses(module, official, official["labels"])).backward()
    expected = head_state(part(official, "grad."))
    for name, parameter in module.named_parameters():
        assert (parameter.grad - expected[name]).abs().max() <= 1e-5 * expected[name].abs().max(), name


def test_total_losses_exceed_those_of_the_coarsest_level(official: dict[str, Any]) -> None:
    anchor_grid, size = grid(official)
    raw = pad_to_all_levels(head(official)(official["x"]), anchor_grid)
    found = losses(raw, anchor_grid, targets(official["labels"]), size, smoothing=False)
    coarsest = official_losses(head(official), official, official["labels"])
    assert tuple(found) == Terms._fields
    assert all(found[name] > x for name, x in zip(Terms._fields, coarsest, strict=True))
