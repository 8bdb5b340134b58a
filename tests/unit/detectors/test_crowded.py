"""Images with thousands of objects: targets are matched in chunks of bounded memory, with identical results."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torchvision.models.detection._utils import Matcher
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import box_iou

from nas.data.targets import Targets
from nas.detectors import build_detector, match
from nas.detectors.box_regions import BoxRegions
from nas.detectors.mask_rcnn import MaskRegions
from nas.detectors.yolov3.loss import _classes
from nas.detectors.yolov3.match import last_of_place
from search_spaces.genotype import Scale
from search_spaces.ops import op
from search_spaces.zoo import zoo

SMALL = Scale(width=0.125, output_width=32, head_depth=1)
HEADS = ("fcos", "retinanet", "yolov3", "faster_rcnn", "mask_rcnn", "cascade_rcnn")
SIZE = 96


def boxes(count: int, rng: torch.Generator, size: int = SIZE) -> Tensor:
    """Random boxes with integer corners, so that some boxes coincide and some IoUs tie."""
    corner = torch.randint(0, size - 8, (count, 2), generator=rng)
    return torch.cat((corner, corner + torch.randint(1, size // 2, (count, 2), generator=rng)), 1).float()


def losses(head: str, counts: tuple[int, ...]) -> dict[str, Tensor]:
    """Losses of a new detector on images with the given numbers of objects; deterministic."""
    rng = torch.Generator().manual_seed(0)
    targets = [
        {"boxes": boxes(n, rng), "labels": torch.randint(0, 5, (n,), generator=rng)}
        | ({"masks": (torch.rand(n, SIZE, SIZE, generator=rng) < 0.5).byte()} if head == "mask_rcnn" else {})
        for n in counts
    ]
    genotype = zoo("yolov3").genotype if head == "yolov3" else replace(zoo("fpn").genotype, head=op(head))
    torch.manual_seed(0)
    model = build_detector(genotype, SMALL, 5).train()
    images = torch.rand(len(counts), 3, SIZE, SIZE, generator=rng)
    found: dict[str, Tensor] = model(images, Targets.of(targets) if head == "fcos" else targets)
    return {name: value.detach() for name, value in found.items()}


@pytest.mark.parametrize("head", HEADS)
def test_chunked_matching_gives_the_same_losses(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = losses(head, (40, 0, 7))
    monkeypatch.setattr(match, "ROOM", 100 * match.PAIR_BYTES)
    assert len(match.parts(1000, 40)) == 500
    split = losses(head, (40, 0, 7))
    assert all(value > 0 for value in whole.values())
    assert split == whole


@pytest.mark.parametrize("low_quality", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_chunked_matcher_matches_torchvision(low_quality: bool, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Includes an object that overlaps no anchor, so that its IoUs tie at 0, and an object of zero area."""
    rng = torch.Generator().manual_seed(seed)
    objects, anchors = boxes(30, rng), boxes(700, rng)
    objects[3] += 1000
    objects[5, 2:] = objects[5, :2]
    matcher = Matcher(0.5, 0.4, low_quality)
    expected = matcher(box_iou(objects, anchors))
    monkeypatch.setattr(match, "ROOM", 2000 * match.PAIR_BYTES)
    assert torch.equal(match.match_boxes(matcher, objects, anchors), expected)
    assert set(expected.sign().tolist()) == {-1, 0, 1} or (expected >= 0).any()


def test_proposal_assignment_matches_torchvision() -> None:
    model = build_detector(replace(zoo("fpn").genotype, head=op("faster_rcnn")), SMALL, 5)
    regions, rng = model.roi_heads, torch.Generator().manual_seed(0)
    assert isinstance(regions, BoxRegions)
    regions.proposal_matcher = Matcher(0.6, 0.3)
    given = [boxes(60, rng), boxes(50, rng)], [boxes(9, rng), boxes(0, rng)], [torch.arange(1, 10), torch.arange(0)]
    ours, theirs = regions.assign_targets_to_proposals(*given), RoIHeads.assign_targets_to_proposals(regions, *given)
    for mine, other in zip(ours, theirs, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine, other, strict=True))
    assert {-1, 0} < set(ours[1][0].tolist())


def test_mask_loss_matches_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours uses only the masks of sampled proposals."""
    ours = losses("mask_rcnn", (40, 0, 7))
    monkeypatch.delattr(MaskRegions, "select_training_samples")
    theirs = losses("mask_rcnn", (40, 0, 7))
    assert ours == theirs


def test_yolov3_anchor_has_the_labels_of_all_its_objects() -> None:
    """Cross-entropy: log 2 per class at logit 0; at a large logit, 0 for targets and the logit for other classes."""
    places, labels = torch.tensor([7, 2, 7, 7]), torch.tensor([0, 1, 2, 0])
    owner = last_of_place(places, 10)
    cost = _classes(torch.full((4, 3), 100.0), labels, owner, smoothing=False)
    assert cost.tolist() == [100.0, 200.0, 100.0, 100.0]
    target = _classes(torch.zeros(4, 3), labels, owner, smoothing=True)
    torch.testing.assert_close(target, torch.full((4,), 3 * torch.tensor(2.0).log().item()))


PEAK_SCRIPT = """
import resource, sys, torch
sys.path[:0] = {path!r}
from tests.unit.detectors.test_crowded import losses
from tests.unit.detectors import test_crowded
test_crowded.SIZE = 320
torch.set_num_threads(1)
losses({head!r}, (1,))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
losses({head!r}, (3000,))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
@pytest.mark.parametrize("head", [head for head in HEADS if head != "mask_rcnn"])
def test_thousands_of_objects_need_bounded_memory(head: str) -> None:
    """Without chunks, every head takes 270 MiB or more at 320 px."""
    script = PEAK_SCRIPT.format(path=sys.path, head=head)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 2 * match.ROOM
