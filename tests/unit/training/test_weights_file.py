"""Files that hold a state dict in some wrapping are refused with the line that saves it; the line does."""

import argparse
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.decode import Backbone, decode
from nas.training.errors import WeightsError
from nas.training.pretrained import load_backbone, read_weights
from nas.training.weights_file import common_prefix
from search_spaces.bifpn import bifpn
from search_spaces.genotype import Scale
from search_spaces.trunk import resnet

State = dict[str, Tensor]
STATE: State = {"conv1.weight": torch.arange(3.0), "bn1.bias": torch.ones(2), "layer1.0.conv1.weight": torch.zeros(1)}


def under(prefix: str, state: State = STATE) -> State:
    return {prefix + name: values for name, values in state.items()}


def named(error: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> State | Any:
    """What is read once the line of the message has run."""
    line = re.search(r"(torch\.save|safetensors\.torch\.save_file)\(.*\)", error)
    assert line, error
    monkeypatch.chdir(folder)
    names = {"torch": torch}
    if line[1] != "torch.save":
        names["safetensors"] = pytest.importorskip("safetensors.torch") and __import__("safetensors")
    exec(line[0], names)
    return read_weights(folder / ("weights.pth" if line[1] == "torch.save" else "weights.safetensors"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"model": STATE, "epoch": 90, "optimizer": {"state": {0: {"step": 1}}}}, r"under \['model'\]"),
        ({"arch": "resnet50", "state_dict": under("module.")}, r"under \['state_dict'\]"),
        ({"epoch": 3, "ema": {"decay": 0.9, "module": STATE}}, r"under \['ema'\]\['module'\]"),
        ({"ema": under("backbone.body."), "model": STATE}, r"under \['model'\] and \['ema'\]"),
        ({"optimizer": STATE, "my_net": OrderedDict(STATE)}, r"under \['my_net'\]: "),
        (under("module."), r"all names begin with 'module\.'"),
        (under("backbone.body."), r"all names begin with 'backbone\.body\.'"),
        (under("_orig_mod.module.model."), r"all names begin with '_orig_mod\.module\.model\.'"),
        ({"model": STATE, "args": argparse.Namespace(lr=1)}, "more than tensors"),
        ({"net": STATE, "best": np.float64(0.3)}, "more than tensors"),
    ],
)
def test_the_line_of_the_message_saves_what_the_file_holds(
    content: object, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(content, tmp_path / "it's.pth")
    with pytest.raises(WeightsError, match=says) as refusal:
        read_weights(tmp_path / "it's.pth")
    found = named(str(refusal.value), tmp_path, monkeypatch)
    assert found.keys() == STATE.keys()
    assert all(torch.equal(values, STATE[name]) for name, values in found.items())


class Whole(nn.Module):
    """A model with a child of a name that checkpoints use as well."""

    def __init__(self) -> None:
        super().__init__()
        self.ema = nn.Linear(2, 3)


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: {"ema": m, "epoch": 1}], ids=["whole", "in a dict"])
def test_a_pickled_model_is_not_executed(
    wrap: Callable[[nn.Module], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(wrap(Whole()), tmp_path / "whole.pth")
    monkeypatch.setattr(Whole, "__setstate__", lambda *_: pytest.fail("it was executed"), raising=False)
    with pytest.raises(WeightsError, match="if you trust it") as refusal:
        read_weights(tmp_path / "whole.pth")
    monkeypatch.undo()
    assert {"ema.weight", "ema.bias"} == named(str(refusal.value), tmp_path, monkeypatch).keys()


def test_safetensors_with_a_prefix_are_mended_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("safetensors.torch").save_file(under("module."), tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"all names begin with 'module\.'") as refusal:
        read_weights(tmp_path / "a.safetensors")
    assert named(str(refusal.value), tmp_path, monkeypatch).keys() == STATE.keys()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "there are none in it"),
        ([STATE], "holds a list"),
        (torch.ones(2), "holds a Tensor"),
        ({**STATE, "epoch": 3}, "the entry 'epoch' is none"),
        ({1: torch.ones(2)}, "the entry 1 is none"),
        ({"optimizer": STATE}, "the entry 'optimizer' is none"),
    ],
)
def test_what_holds_no_state_dict_is_said_to(content: object, says: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=f"not a state dict.*{says}"):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "content", [b"", b"<html>404</html>", b"PK\x03\x04", b"\x80\x04\x95", b"version https://git-lfs"]
)
def test_files_of_other_kinds_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"a\.pth: not a state dict: torch cannot read it: fetch it again"):
        read_weights(tmp_path / "a.pth")


def test_names_of_a_network_s_own_are_no_wrapping(tmp_path: Path) -> None:
    """As of timm's densenet121, tresnet_l and qwen3_vit_88m without their classifiers."""
    for prefix in ("features.", "body.", "encoder."):
        torch.save(under(prefix), tmp_path / "a.pth")
        assert read_weights(tmp_path / "a.pth").keys() == under(prefix).keys()  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return decode(bifpn(resnet(18), depth=1), Scale(output_width=32, head_depth=1))


def published() -> State:
    models = pytest.importorskip("torchvision.models")
    state: State = models.resnet18(weights=None).state_dict()
    return state


def test_a_backbone_s_weights_among_a_detector_s_are_found(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone_alone = {name: values for name, values in published().items() if not name.startswith("fc.")}
    path = tmp_path / "FILE"
    torch.save({**under("encoder_q.", backbone_alone), "rpn.weight": torch.ones(2)}, path)
    with pytest.raises(
        WeightsError, match=r"missing: 'conv1\.weight'.*; those that fit begin with 'encoder_q\.': "
    ) as bad:
        load_backbone(backbone, read_weights(path))
    load_backbone(backbone, named(str(bad.value), tmp_path, monkeypatch))
    assert torch.equal(backbone.stem.get_submodule("conv").state_dict()["0.weight"], backbone_alone["conv1.weight"])


def test_timm_s_weights_among_others_are_found() -> None:
    timm = pytest.importorskip("timm")
    from nas.ops.stem.timm import timm_stem
    from search_spaces.trunk import bare

    made = decode(bifpn(bare(timm_stem("resnet18")), depth=1), Scale(output_width=32, head_depth=1))
    state = under("student.", timm.create_model("resnet18").state_dict())
    with pytest.raises(WeightsError, match=r"timm's resnet18.*; those that fit begin with 'student\.'"):
        load_backbone(made, state)
    state = timm.create_model("resnet18").state_dict()
    state["layer1.0.conv1.weight"][0] = torch.nan
    with pytest.raises(WeightsError, match=r"NaN or infinite: 'layer1\.0\.conv1\.weight'"):
        load_backbone(made, state)


def test_a_prefix_has_to_hold_all_that_is_wanted() -> None:
    assert common_prefix(["a.x", "a.y", "b.x"], ["x", "y"]) == "a."
    assert common_prefix(["a.x", "b.y"], ["x", "y"]) == ""
    assert common_prefix([], []) == ""
