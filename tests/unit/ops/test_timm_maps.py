"""timm backbones whose feature maps differ from their `feature_info`: adapted, or refused with a reason."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from nas.cost import cost
from nas.data.detection_set import Category
from nas.detectors import DetectorConfig
from nas.ops.common import Build
from nas.ops.stem.timm import TimmStem, timm_stem
from nas.ops.stem.timm_maps import timm_maps
from nas.training.blueprint import Blueprint
from search_spaces.genotype import Genotype, Scale
from search_spaces.nas_fpn import merge
from search_spaces.ops import GenotypeError, Op, op, stem_maps
from search_spaces.trunk import bare

timm = pytest.importorskip("timm")
SMALL = Scale(output_width=32, head_depth=1)


def genotype(stem: Op) -> Genotype:
    return merge(bare(stem), repeats=1)


def sizes(stem: Op, height: int, width: int) -> list[tuple[int, ...]]:
    return [(1, m.width, -(-height // 2**m.level), -(-width // 2**m.level)) for m in stem_maps(stem)]


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "swinv2_cr_tiny_ns_224", "mobilevitv2_050"])
@pytest.mark.parametrize("size", [(32, 96), (75, 90), (224, 256)])
def test_backbone_with_a_nominal_size_takes_any_size(name: str, size: tuple[int, int]) -> None:
    """MobileViT takes any size in timm too, but resizes a map of 3 rows to 4."""
    stem = timm_stem(name)
    with torch.device("meta"):
        maps = TimmStem(stem, Build(Scale())).eval()(torch.empty(1, 3, *size))
    assert [tuple(x.shape) for x in maps] == sizes(stem, *size)


@pytest.mark.parametrize(
    ("name", "side"), [("swin_tiny_patch4_window7_224", 224), ("vit_tiny_patch16_224", 224), ("mobilevitv2_050", 256)]
)
def test_stem_matches_timm_at_the_nominal_size(name: str, side: int) -> None:
    stem = TimmStem(timm_stem(name), Build(Scale())).eval()
    theirs = timm.create_model(name, features_only=True).eval()
    theirs.load_state_dict(stem.body.state_dict())
    image = torch.randn(1, 3, side, side)
    with torch.inference_mode():
        ours, whole = stem(image), [m.permute(0, 3, 1, 2) if stem.channels_last else m for m in theirs(image)]
    assert all(torch.equal(mine, other) for mine, other in zip(ours, whole[-len(ours) :], strict=True))


def test_level_with_several_maps_uses_the_last() -> None:
    """All maps of a plain vision transformer have stride 16."""
    stem = timm_stem("vit_tiny_patch16_224")
    assert [(m.level, m.width) for m in stem_maps(stem)] == [(4, 192)]
    body = TimmStem(stem, Build(Scale())).body
    last = timm.create_model("vit_tiny_patch16_224", features_only=True).feature_info.out_indices[-1]
    assert list(body.feature_info.out_indices) == [last]
    with pytest.raises(GenotypeError, match="a neck needs a map of level 3, and the trunk has levels"):
        bare(stem)


@pytest.mark.parametrize(
    ("name", "side", "padded"), [("efficientformer_l1", 224, 200), ("botnet26t_256", 256, 230), ("levit_128", 224, 170)]
)
def test_fixed_size_backbone_refuses_other_sizes(name: str, side: int, padded: int) -> None:
    stem = timm_stem(name)
    with torch.device("meta"):
        module = TimmStem(stem, Build(Scale())).eval()
        for size in (side, padded):
            assert [tuple(x.shape) for x in module(torch.empty(1, 3, size, size))] == sizes(stem, size, size)
        for size in (64, side - 64, side + 1):
            message = f"{name} takes only {side} x {side} images, not {size} x {size}: give --image-size {side}"
            with pytest.raises(GenotypeError, match=message):
                module(torch.empty(1, 3, size, size))


def test_unsupported_image_size_is_refused_before_the_build() -> None:
    made = genotype(timm_stem("efficientformer_l1"))
    assert cost(made, SMALL, image_size=224, num_classes=3).macs > 0
    with pytest.raises(
        GenotypeError, match=r"efficientformer_l1 takes only 224 x 224 images, not 128 x 128: give --im"
    ):
        cost(made, SMALL, image_size=128, num_classes=3)
    with pytest.raises(GenotypeError, match="takes only 224 x 224"):
        Blueprint(made, SMALL, DetectorConfig(), 256, (Category(1, "one"),)).build()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_small_patch14_dinov2", "vit_small_patch14_dinov2 has a map of stride 14, not a power of two: choose"),
        ("convmixer_768_32", "has a map of stride 7, not a power of two: choose a backbone of strides 4, 8, 16, 32"),
        ("crossvit_9_240", "has a map of stride 12"),
        (
            "inception_v4",
            "makes a map of shape 64 x 147 x 147 from an image of 299 x 299 px, but its stride implies 64",
        ),
        ("legacy_xception", "makes a map of shape 64 x 147 x 147"),
        ("pit_ti_224", "makes a map of shape 64 x 27 x 27 from an image of 224 x 224 px"),
    ],
)
def test_maps_that_fit_no_level_are_refused(name: str, message: str) -> None:
    with pytest.raises(GenotypeError, match=message):
        timm_stem(name)
    written = genotype(op("timm", name=name, levels=(3,), widths=(384,)))
    with pytest.raises(GenotypeError, match=message):
        cost(written, SMALL, image_size=224, num_classes=3)


class FakeBackbone(nn.Module):
    """A fake timm model that declares one map of stride 8 and 5 channels and returns `makes(image)`."""

    def __init__(self, makes: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.makes = makes
        self.feature_info = SimpleNamespace(out_indices=(0,), reduction=lambda: [8], channels=lambda: [5])

    def forward(self, x: Tensor) -> list[object]:
        return [self.makes(x)]


def map_with_axes(x: Tensor, *axes: int) -> Tensor:
    """A map of stride 8 and 5 channels with permuted axes."""
    extents = (len(x), 5, x.shape[-2] // 8, x.shape[-1] // 8)
    return x.new_empty([extents[i] for i in axes])


@pytest.mark.parametrize(
    ("makes", "message"),
    [
        (lambda x: (map_with_axes(x, 0, 1, 2, 3), x), "gives no maps: its outputs are not feature maps"),
        (lambda x: map_with_axes(x, 0, 1, 2), "gives no maps: its outputs are not feature maps"),
        (lambda x: x[:, :, ::4, ::4], "makes a map of shape 3 x 56 x 56 from an image of 224 x 224 px"),
        (lambda x: {}["no"], "gives no maps: KeyError"),
    ],
)
def test_backbone_with_wrong_outputs_is_refused(
    makes: Callable[[Tensor], object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: FakeBackbone(makes))
    with pytest.raises(GenotypeError, match=message):
        timm_maps("vgg11_bn")


@pytest.mark.parametrize("last", [True, False])
def test_undeclared_channels_last_maps_are_detected(last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    axes = (0, 2, 3, 1) if last else (0, 1, 2, 3)
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: FakeBackbone(lambda x: map_with_axes(x, *axes)))
    timm_maps.cache_clear()
    assert timm_maps("vgg13_bn").channels_last == last
    timm_maps.cache_clear()


def test_timm_stem_caches_the_maps_of_a_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    timm_stem("resnet10t")
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: pytest.fail("the model was built again"))
    timm_stem("resnet10t")
