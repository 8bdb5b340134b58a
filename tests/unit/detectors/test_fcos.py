"""FCOS against torchvision's: assignment, losses, detections, normalisation and interface."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOS
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from nas.data.targets import Targets
from nas.detectors import DetectorConfig, build_detector
from nas.detectors.match import match_points
from nas.detectors.transform import BatchTransform
from search_spaces.genotype import Genotype, Scale
from search_spaces.ops import GenotypeError
from search_spaces.zoo import zoo

SMALL = Scale(width=0.125, output_width=32, head_depth=1)


class _Recorder(torch.nn.Module):
    """A stub head that records the matches of FCOS."""

    def compute_loss(
        self, targets: object, outputs: object, anchors: object, matched: list[Tensor]
    ) -> dict[str, Tensor]:
        self.matched = torch.stack(matched)
        return {}


def _official_match(anchors: Tensor, per_level: list[int], boxes: list[Tensor]) -> Tensor:
    backbone = torch.nn.Identity()
    backbone.out_channels = 32
    official = FCOS(backbone, 3)
    official.head = _Recorder()
    official.compute_loss([{"boxes": b} for b in boxes], {}, [anchors] * len(boxes), per_level)
    return official.head.matched


@pytest.mark.parametrize("seed", range(20))
def test_fcos_assignment_matches_torchvision(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    sides = [16, 8, 4, 2, 1]
    images = ImageList(torch.zeros(3, 3, 128, 128), [(128, 128)] * 3)
    maps = [torch.zeros(3, 1, side, side) for side in sides]
    anchors = AnchorGenerator(((8,), (16,), (32,), (64,), (128,)), ((1.0,),) * 5)(images, maps)[0]
    boxes = []
    for count in (5, 0, 12):
        corner = torch.rand(count, 2, generator=rng) * 100
        boxes.append(torch.cat((corner, corner + 4 + torch.rand(count, 2, generator=rng) * 120), 1))
    padded = Targets.of([{"boxes": b, "labels": b.new_zeros(len(b))} for b in boxes]).boxes
    ours = match_points(anchors, [s * s for s in sides], padded, 1.5)
    assert torch.equal(ours, _official_match(anchors, [s * s for s in sides], boxes))
    assert (ours >= 0).any()


class _RecordedCalls(TorchDispatchMode):
    """Records the names of torch functions called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: OpOverload, types: object, args: Any = (), kwargs: Any = None) -> object:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **kwargs or {})


def test_training_pass_never_synchronises_with_the_device() -> None:
    """It calls no function that reads a value or whose output size depends on values."""
    model = build_detector(zoo("fpn").genotype, SMALL, 5)
    objects = {"boxes": torch.tensor([[10.0, 10.0, 60.0, 70.0]]), "labels": torch.tensor([2])}
    synchronising = {"nonzero", "_local_scalar_dense", "masked_select", "_unique2", "equal", "is_nonzero"}
    with _RecordedCalls() as calls:
        losses = model(torch.rand(2, 3, 64, 64), Targets.of([objects, objects]))
        sum(losses.values()).backward()
    assert {"sigmoid", "maximum"} <= calls.names
    assert not synchronising & calls.names
    with _RecordedCalls() as calls:
        (losses["classification"] > 0).nonzero()
        losses["classification"].item()
    assert synchronising & calls.names == {"nonzero", "_local_scalar_dense"}


@pytest.mark.parametrize("counts", [(5, 0, 12), (0, 0, 0), (1, 1, 1)])
def test_losses_and_gradients_match_torchvision(counts: tuple[int, ...]) -> None:
    """Our batched path against torchvision's assignment and losses."""
    rng = torch.Generator().manual_seed(sum(counts))
    torch.manual_seed(0)
    model = build_detector(zoo("fpn").genotype, SMALL, 5)
    torch.nn.init.normal_(model.head.regression_head.bbox_reg.weight, std=0.1)
    images = torch.rand(3, 3, 128, 128, generator=rng)
    objects = []
    for count in counts:
        corner = torch.rand(count, 2, generator=rng) * 100
        size = 4 + torch.rand(count, 2, generator=rng) * 100
        labels = torch.randint(5, (count,), generator=rng)
        objects.append({"boxes": torch.cat((corner, corner + size), 1), "labels": labels})

    def gradients(losses: dict[str, Tensor]) -> list[Tensor]:
        model.zero_grad()
        sum(losses.values()).backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    ours = model(images, Targets.of(objects))
    our_gradients = gradients(ours)
    model.transform.min_size = (128,)  # torchvision resizes images given as a list
    model.compute_loss = lambda *args: FCOS.compute_loss(model, *args)
    official = model(list(images), objects)
    torch.testing.assert_close(ours, official)
    torch.testing.assert_close(our_gradients, gradients(official), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("threshold", "candidates"), [(0.05, 1000), (0.3, 1000), (0.05, 40), (0.9999, 1000)])
def test_detections_match_torchvision(threshold: float, candidates: int) -> None:
    """For a batch whose images differ in size and in the number of confident detections."""
    rng = torch.Generator().manual_seed(0)
    model = build_detector(zoo("fpn").genotype, SMALL, 5)
    model.score_thresh, model.topk_candidates = threshold, candidates
    counts = [side * side for side in (16, 8, 4, 2, 1)]
    shift = torch.tensor([0.0, -3.0, -30.0])[:, None, None]
    outputs = {
        "cls_logits": [2 * torch.randn(3, n, 5, generator=rng) + shift for n in counts],
        "bbox_regression": [3 * torch.rand(3, n, 4, generator=rng) for n in counts],
        "bbox_ctrness": [torch.randn(3, n, 1, generator=rng) for n in counts],
    }
    images = ImageList(torch.zeros(3, 3, 128, 128), [(128, 128), (128, 96), (64, 128)])
    maps = [torch.zeros(3, 1, side, side) for side in (16, 8, 4, 2, 1)]
    anchors = [list(one.split(counts)) for one in model.anchor_generator(images, maps)]
    ours = model.postprocess_detections(outputs, anchors, images.image_sizes)
    official = FCOS.postprocess_detections(model, outputs, anchors, images.image_sizes)
    torch.testing.assert_close(ours, official, rtol=1e-6, atol=0)
    found = [len(x["boxes"]) for x in ours]
    assert found[0] > 0 or threshold > 0.9
    assert found[2] == 0


def test_targets_iterate_as_torchvision_dicts() -> None:
    given = [
        {"boxes": torch.rand(count, 4), "labels": torch.arange(count), "extra": torch.zeros(1)} for count in (2, 0, 3)
    ]
    read = list(Targets.of(given))
    assert len(read) == 3
    for before, after in zip(given, read, strict=True):
        assert torch.equal(before["boxes"], after["boxes"])
        assert torch.equal(before["labels"], after["labels"])


def test_batch_transform_matches_torchvision() -> None:
    settings = (64, 64, [0.4, 0.5, 0.6], [0.2, 0.3, 0.4])
    images = torch.rand(2, 3, 64, 64)
    official, _ = GeneralizedRCNNTransform(*settings)(list(images))
    ours, _ = BatchTransform(*settings)(images)
    torch.testing.assert_close(ours.tensors, official.tensors)
    assert ours.image_sizes == official.image_sizes


@pytest.mark.parametrize("genotype", [zoo("fpn").genotype, zoo("fpn-dsa").genotype], ids=["plain", "dsa"])
def test_detector_follows_the_torchvision_interface(genotype: Genotype) -> None:
    torch.manual_seed(0)
    model = build_detector(genotype, SMALL, 5, DetectorConfig(score_threshold=0.0))
    images = [torch.rand(3, 96, 80), torch.rand(3, 64, 96)]
    targets = [{"boxes": torch.tensor([[8.0, 8, 40, 50]]), "labels": torch.tensor([4])}] * 2
    losses = model(images, targets)
    assert set(losses) == {"classification", "bbox_regression", "bbox_ctrness"}
    assert all(loss.isfinite() for loss in losses.values())
    detections = model.eval()(images)
    for image, found in zip(images, detections, strict=True):
        assert set(found) == {"boxes", "scores", "labels"}
        assert len(found["boxes"]) > 0
        assert (found["boxes"][:, 2] <= image.shape[-1]).all()
        assert set(found["labels"].tolist()) <= set(range(5))


def test_attention_changes_outputs_once_gamma_is_nonzero() -> None:
    torch.manual_seed(0)
    model = build_detector(zoo("fpn-dsa").genotype, SMALL, 5).eval()
    maps = list(model.backbone(torch.rand(1, 3, 128, 128)).values())
    before = model.head(maps)["cls_logits"]
    for module in model.head.class_attention.modules():
        if hasattr(module, "gamma"):
            torch.nn.init.ones_(module.gamma)
    after = model.head(maps)["cls_logits"]
    points = maps[0].shape[-1] * maps[0].shape[-2]
    assert torch.equal(before[:, :points], after[:, :points])  # level 3 has no attention
    assert not torch.allclose(before[:, points:], after[:, points:])


@pytest.mark.parametrize(
    ("scale", "message"),
    [(Scale(output_width=40), "multiple of 32"), (Scale(head_width=64), "head_width")],
)
def test_unsupported_scale_is_refused(scale: Scale, message: str) -> None:
    with pytest.raises(GenotypeError, match=message), torch.device("meta"):
        build_detector(zoo("fpn").genotype, scale, 5)
