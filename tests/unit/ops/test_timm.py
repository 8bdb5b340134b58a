"""timm backbones as stems; tests that need timm are skipped without it."""

import sys
from pathlib import Path

import pytest
import torch

from nas.cost import cost
from nas.count import counted
from nas.decode import decode
from nas.detectors import build_detector
from nas.ops.common import Build
from nas.ops.stem.timm import TimmStem, timm_stem
from nas.training.errors import WeightsError
from nas.training.pretrained import load_backbone, read_weights
from search_spaces.bifpn import bifpn
from search_spaces.genotype import Genotype, Scale
from search_spaces.nas_fpn import merge
from search_spaces.ops import GenotypeError, Op, op, stem_maps
from search_spaces.trunk import bare

SMALL = Scale(output_width=32, head_depth=1)


def genotype(stem: Op) -> Genotype:
    return merge(bare(stem), repeats=1)


def test_genotype_with_a_timm_stem_needs_no_timm() -> None:
    made = genotype(op("timm"))
    assert Genotype.from_json(made.to_json()) == made
    assert made.key() != genotype(op("timm", name="resnet34")).key()


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"levels": (3, 4)}, "4 widths for 2 levels"),
        ({"levels": (3, 2, 4, 5)}, "must ascend"),
        ({"name": "no such name"}, "does not match"),
        ({"name": 7}, "does not match"),
    ],
)
def test_invalid_timm_stem_is_refused(attributes: dict[str, object], message: str) -> None:
    with pytest.raises(GenotypeError, match=message):
        genotype(op("timm", **attributes))


def test_stem_maps_have_the_given_widths() -> None:
    stem = op("timm", levels=(2, 3), widths=(64, 32))
    assert [(m.level, m.width) for m in stem_maps(stem)] == [(2, 64), (3, 32)]


def test_error_without_timm_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(GenotypeError, match=r"fusion-nas\[timm\]"):
        decode(genotype(op("timm")), SMALL)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "mobilenetv3_small_100", "convnext_atto"])
@pytest.mark.parametrize("size", [(96, 64), (75, 90)])
def test_timm_backbone_decodes(name: str, size: tuple[int, int]) -> None:
    pytest.importorskip("timm")
    backbone = decode(genotype(timm_stem(name)), SMALL).eval()
    with torch.inference_mode():
        maps = backbone(torch.randn(1, 3, *size))
    sides = [tuple(x.shape[-2:]) for x in maps.values()]
    assert sides == [(-(-size[0] // s), -(-size[1] // s)) for s in (8, 16, 32, 64, 128)]


def test_channels_last_maps_are_permuted() -> None:
    pytest.importorskip("timm")
    stem = TimmStem(timm_stem("swin_tiny_patch4_window7_224"), Build(Scale())).eval()
    with torch.inference_mode():
        maps = stem(torch.randn(1, 3, 224, 224))
    assert [tuple(x.shape) for x in maps] == [(1, 96, 56, 56), (1, 192, 28, 28), (1, 384, 14, 14), (1, 768, 7, 7)]


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto"])
def test_stem_has_timms_initial_weights(name: str) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    theirs = timm.create_model(name, features_only=True, pretrained=False).state_dict()
    torch.manual_seed(0)
    ours = decode(genotype(timm_stem(name)), SMALL).stem.get_submodule("body").state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "convnext_atto", "efficientformer_l1"])
def test_loaded_stem_gives_the_feature_maps_of_the_timm_model(name: str, suffix: str, tmp_path: Path) -> None:
    """The classifier, here of 7 classes, is ignored."""
    timm, safetensors = pytest.importorskip("timm"), pytest.importorskip("safetensors.torch")
    torch.manual_seed(1)
    whole = timm.create_model(name, pretrained=False, num_classes=7).eval()
    for value in whole.state_dict().values():
        if value.is_floating_point():
            value.add_(torch.rand_like(value) * 0.01)
    path = tmp_path / f"weights{suffix}"
    (torch.save if suffix == ".pth" else safetensors.save_file)(whole.state_dict(), path)
    backbone = decode(genotype(timm_stem(name)), SMALL).eval()
    load_backbone(backbone, read_weights(path))
    image = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        expected = whole.forward_intermediates(image, intermediates_only=True)
        made = {m.shape[-1]: m for m in backbone.stem(image)}
    compared = {theirs.shape[-1]: theirs for theirs in expected if theirs.shape[-1] in made}
    assert len(compared) == len(made)
    for side, theirs in compared.items():
        torch.testing.assert_close(made[side], theirs)


def test_weights_without_the_classifier_load() -> None:
    timm = pytest.importorskip("timm")
    load_backbone(decode(genotype(op("timm")), SMALL), timm.create_model("resnet18", num_classes=0).state_dict())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("resnet34", 'resnet18: Unexpected key.* "layer1.2.conv1.weight"'),
        ("resnet10t", 'resnet18: Missing key.* "conv1.weight".*; Unexpected key.* "conv1.0.weight"'),
    ],
)
def test_weights_of_another_model_leave_the_backbone_unchanged(other: str, message: str) -> None:
    timm = pytest.importorskip("timm")
    backbone = decode(genotype(op("timm")), SMALL)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        load_backbone(backbone, timm.create_model(other).state_dict())
    with pytest.raises(WeightsError, match="resnet18"):
        load_backbone(backbone, {})
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


def test_damaged_safetensors_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(WeightsError, match=r"text\.safetensors: not a state dict"):
        read_weights(tmp_path / "text.safetensors")


def test_error_without_safetensors_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    (tmp_path / "weights.safetensors").touch()
    with pytest.raises(WeightsError, match=r"fusion-nas\[timm\]"):
        read_weights(tmp_path / "weights.safetensors")


def test_stem_builds_only_its_levels() -> None:
    pytest.importorskip("timm")
    two_levels, all_levels = op("timm", levels=(2, 3), widths=(64, 128)), op("timm")
    counts = [sum(p.numel() for p in TimmStem(stem, Build(Scale())).parameters()) for stem in (two_levels, all_levels)]
    assert counts[0] < counts[1] / 5


def test_detector_with_a_timm_stem_trains() -> None:
    pytest.importorskip("timm")
    assert cost(bifpn(bare(op("timm")), depth=1), SMALL, image_size=64, num_classes=3).macs > 0
    backbone = decode(genotype(op("timm")), SMALL).train()
    sum(x.square().mean() for x in backbone(torch.randn(2, 3, 256, 256)).values()).backward()  # type: ignore[union-attr]
    assert all(p.grad is not None for p in backbone.stem.parameters())


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_100"])
def test_cost_of_a_timm_detector_matches_the_counted_cost(name: str) -> None:
    pytest.importorskip("timm")
    whole = genotype(timm_stem(name))
    found = cost(whole, SMALL, image_size=75, num_classes=3)
    with torch.device("meta"):
        model, image = build_detector(whole, SMALL, 3).eval(), torch.empty(1, 3, 75, 75)
    assert (found.parameters, found.macs, found.activations) == counted(model, model.network, image)  # type: ignore[arg-type]
    assert found.peak_memory > 4 * found.parameters


@pytest.mark.parametrize(
    ("stem", "scale", "message"),
    [
        (op("timm", name="resnet81"), SMALL, "did you mean 'resnet"),
        (op("timm", widths=(64, 128, 256, 500)), SMALL, "no level 5 of width 500; it has 1: 64, 2: 64"),
        (op("timm"), Scale(stem=0.5), "scale.stem"),
    ],
)
def test_stem_unknown_to_timm_is_refused(stem: Op, scale: Scale, message: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(GenotypeError, match=message):
        decode(genotype(stem), scale)
