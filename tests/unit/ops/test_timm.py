"""Backbones of timm as stems; what needs timm itself is skipped where it is absent."""

import sys

import pytest
import torch

from nas.cost import cost
from nas.count import counted
from nas.decode import decode
from nas.detectors import build_detector
from nas.ops.common import Build
from nas.ops.stem.timm import TimmStem, timm_stem
from search_spaces.bifpn import bifpn
from search_spaces.genotype import Genotype, Scale
from search_spaces.nas_fpn import merge
from search_spaces.ops import GenotypeError, Op, op, stem_maps
from search_spaces.trunk import bare

SMALL = Scale(output_width=32, head_depth=1)


def genotype(stem: Op) -> Genotype:
    return merge(bare(stem), repeats=1)


def test_a_genotype_over_timm_needs_no_timm() -> None:
    made = genotype(op("timm"))
    assert Genotype.from_json(made.to_json()) == made
    assert made.key() != genotype(op("timm", name="resnet34")).key()


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"levels": (3, 4)}, "4 widths for 2 levels"),
        ({"levels": (3, 2, 4, 5)}, "must ascend"),
        ({"name": "no such name"}, "does not match"),
        ({"name": 7}, "does not match"),
    ],
)
def test_illegal_stems_are_refused(attributes: dict[str, object], says: str) -> None:
    with pytest.raises(GenotypeError, match=says):
        genotype(op("timm", **attributes))


def test_widths_keep_their_order() -> None:
    stem = op("timm", levels=(2, 3), widths=(64, 32))
    assert [(m.level, m.width) for m in stem_maps(stem)] == [(2, 64), (3, 32)]


def test_without_timm_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(GenotypeError, match=r"fusion-nas\[timm\]"):
        decode(genotype(op("timm")), SMALL)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "mobilenetv3_small_100", "convnext_atto"])
@pytest.mark.parametrize("size", [(96, 64), (75, 90)])
def test_backbones_decode(name: str, size: tuple[int, int]) -> None:
    pytest.importorskip("timm")
    backbone = decode(genotype(timm_stem(name)), SMALL).eval()
    with torch.inference_mode():
        maps = backbone(torch.randn(1, 3, *size))
    sides = [tuple(x.shape[-2:]) for x in maps.values()]
    assert sides == [(-(-size[0] // s), -(-size[1] // s)) for s in (8, 16, 32, 64, 128)]


def test_maps_laid_out_channels_last_are_turned() -> None:
    pytest.importorskip("timm")
    stem = TimmStem(timm_stem("swin_tiny_patch4_window7_224"), Build(Scale())).eval()
    with torch.inference_mode():
        maps = stem(torch.randn(1, 3, 224, 224))
    assert [tuple(x.shape) for x in maps] == [(1, 96, 56, 56), (1, 192, 28, 28), (1, 384, 14, 14), (1, 768, 7, 7)]


def test_only_the_levels_asked_for_are_built() -> None:
    pytest.importorskip("timm")
    few, all_ = op("timm", levels=(2, 3), widths=(64, 128)), op("timm")
    counts = [sum(p.numel() for p in TimmStem(stem, Build(Scale())).parameters()) for stem in (few, all_)]
    assert counts[0] < counts[1] / 5


def test_a_detector_over_timm_trains() -> None:
    pytest.importorskip("timm")
    assert cost(bifpn(bare(op("timm")), depth=1), SMALL, image_size=64, num_classes=3).macs > 0
    backbone = decode(genotype(op("timm")), SMALL).train()
    sum(x.square().mean() for x in backbone(torch.randn(2, 3, 256, 256)).values()).backward()  # type: ignore[union-attr]
    assert all(p.grad is not None for p in backbone.stem.parameters())


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_100"])
def test_a_detector_over_timm_costs_what_it_does(name: str) -> None:
    pytest.importorskip("timm")
    whole = genotype(timm_stem(name))
    found = cost(whole, SMALL, image_size=75, num_classes=3)
    with torch.device("meta"):
        model, image = build_detector(whole, SMALL, 3).eval(), torch.empty(1, 3, 75, 75)
    assert (found.parameters, found.macs, found.activations) == counted(model, model.network, image)  # type: ignore[arg-type]
    assert found.peak_memory > 4 * found.parameters


@pytest.mark.parametrize(
    ("stem", "scale", "says"),
    [
        (op("timm", name="resnet81"), SMALL, "did you mean 'resnet"),
        (op("timm", widths=(64, 128, 256, 500)), SMALL, "no level 5 of width 500; it has 1: 64, 2: 64"),
        (op("timm"), Scale(stem=0.5), "scale.stem"),
    ],
)
def test_what_timm_cannot_give_is_an_error(stem: Op, scale: Scale, says: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(GenotypeError, match=says):
        decode(genotype(stem), scale)
