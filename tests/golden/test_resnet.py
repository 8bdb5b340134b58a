"""Decoded ResNets against torchvision: parameters and feature maps."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet18, resnet34, resnet50, resnet101, resnet152

from nas.decode import Backbone, decode
from nas.training.errors import WeightsError
from nas.training.pretrained import load_resnet, read_weights
from search_spaces.fpn import resnet_fpn
from search_spaces.genotype import Genotype, Scale
from search_spaces.msfm import PUBLISHED
from search_spaces.ops import GenotypeError, op
from search_spaces.trunk import Trunk, bare, resnet
from search_spaces.zoo import zoo

NARROW_NECK = Scale(output_width=8)
BUILDERS = {18: resnet18, 34: resnet34, 50: resnet50, 101: resnet101, 152: resnet152}


def with_random_norms(module: nn.Module) -> nn.Module:
    """Randomise statistics and affine weights of every batch norm, so that a swapped norm changes the outputs."""
    generator = torch.Generator().manual_seed(0)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            for tensor, low in (
                (m.running_var, 0.5),
                (m.weight.data, 0.5),
                (m.running_mean, -0.1),
                (m.bias.data, -0.1),
            ):
                assert tensor is not None
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * (1 if low > 0 else 0.2) + low)
    return module.eval()


def stages(backbone: Backbone, image: Tensor) -> list[Tensor]:
    maps: dict[int, Tensor] = {}
    for level in (2, 3, 4, 5):
        backbone.nodes[f"node_c{level}"].register_forward_hook(lambda m, a, out, lv=level: maps.update({lv: out}))
    with torch.inference_mode():
        backbone(image)
    return [maps[level] for level in (2, 3, 4, 5)]


@pytest.mark.parametrize("depth", BUILDERS)
def test_trunk_has_the_parameters_of_torchvision(depth: int) -> None:
    """Sizes of all parameter tensors except the classifier."""
    trunk = resnet(depth)
    with torch.device("meta"):
        ours = decode(Genotype(trunk.stem, trunk.nodes, ("c3", "c4", "c5"), op("yolov3")), Scale())
        theirs = BUILDERS[depth](weights=None)
    assert sorted(p.numel() for p in ours.parameters()) == sorted(
        p.numel() for name, p in theirs.named_parameters() if not name.startswith("fc.")
    )


def test_trunk_without_a_required_level_is_refused() -> None:
    with pytest.raises(GenotypeError, match=r"needs a map of level 3, and the trunk has levels none"):
        bare(op("darknet_stem"))
    with pytest.raises(GenotypeError, match=r"needs a map of level 4, and the trunk has levels \[3, 5\]"):
        Trunk(op("resnet_stem"), (), ((3, "a"), (5, "b")))


def test_non_finite_weights_are_refused() -> None:
    weights = resnet50(weights=None).state_dict()
    weights["layer1.0.conv1.weight"][0] = torch.nan
    with pytest.raises(WeightsError, match=r"NaN or infinite: 'layer1\.0\.conv1\.weight'"):
        load_resnet(decode(resnet_fpn(50), NARROW_NECK), weights)


def test_unknown_depths_and_msfm_without_bottlenecks_are_refused() -> None:
    with pytest.raises(GenotypeError, match="no ResNet of 20 layers; known: 18, 34, 50, 101, 152"):
        resnet(20)
    with pytest.raises(GenotypeError, match="'residual' has no attribute 'msfm'"):
        resnet_fpn(18, msfm=PUBLISHED.at)


@pytest.mark.parametrize(
    ("depth", "size"),
    [(18, (128, 128)), (18, (75, 90)), (34, (64, 64)), (50, (128, 128)), (50, (75, 90)), (101, (64, 64))],
)
def test_feature_maps_match_torchvision(depth: int, size: tuple[int, int], tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = with_random_norms(BUILDERS[depth](weights=None))
    torch.save(theirs.state_dict(), tmp_path / "resnet.pth")
    ours = decode(resnet_fpn(depth), NARROW_NECK).eval()
    load_resnet(ours, read_weights(tmp_path / "resnet.pth"))
    x = image = torch.randn(1, 3, *size)
    expected = []
    with torch.inference_mode():
        for name, layer in theirs.named_children():
            if name.startswith(("conv1", "bn1", "relu", "maxpool", "layer")):
                x = layer(x)
                expected += [x] if name.startswith("layer") else []
    for made, wanted in zip(stages(ours, image), expected, strict=True):
        torch.testing.assert_close(made, wanted, rtol=1e-5, atol=1e-5 * wanted.abs().max().item())


@pytest.mark.parametrize("entry", ["fpn-msfm", "faster-rcnn-r50-fpn-dconv"])
def test_load_resnet_keeps_msfm_and_offsets_at_the_identity(entry: str) -> None:
    """MSFM and deformable offsets start at zero, so the maps equal those of the plain ResNet."""
    theirs = with_random_norms(resnet50(weights=None))
    plain, modular = (decode(zoo(name).genotype, NARROW_NECK).eval() for name in ("fpn", entry))
    for backbone in (plain, modular):
        load_resnet(backbone, theirs.state_dict())
    image = torch.randn(1, 3, 64, 64)
    for x, y in zip(stages(plain, image), stages(modular, image), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-5 * x.abs().max().item())


def test_weights_without_batch_counters_load() -> None:
    state = resnet50(weights=None).state_dict()
    load_resnet(decode(resnet_fpn(), NARROW_NECK), {k: v for k, v in state.items() if "num_batches" not in k})


def test_mismatched_weights_leave_the_backbone_unchanged() -> None:
    state = dict(resnet50(weights=None).state_dict())
    del state["layer2.0.conv2.weight"], state["bn1.bias"]
    state["layer9.weight"] = torch.zeros(1)
    state["layer1.0.conv1.weight"] = torch.zeros(3, 3)
    backbone = decode(resnet_fpn(), NARROW_NECK)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    expected = "missing: 'bn1.bias' and 1 more; unexpected: 'layer9.weight'; of another shape: 'layer1.0.conv1.weight'"
    with pytest.raises(WeightsError, match=expected):
        load_resnet(backbone, state)
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


def test_backbone_without_resnet_stages_is_refused() -> None:
    with torch.device("meta"), pytest.raises(WeightsError, match="no c2"):
        load_resnet(decode(zoo("spinenet-49").genotype, Scale()), {})


def test_files_without_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        read_weights(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("no weights")
    torch.save({"a": 1}, tmp_path / "other.pt")
    for name in ("text.pt", "other.pt"):
        with pytest.raises(WeightsError, match="not a state dict"):
            read_weights(tmp_path / name)
