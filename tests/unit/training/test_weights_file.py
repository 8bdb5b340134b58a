"""Weights files that wrap a state dict are refused with a line of Python that extracts it; the line works."""

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


def with_prefix(prefix: str, state: State = STATE) -> State:
    return {prefix + name: values for name, values in state.items()}


def read_after_fix(error: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> State | Any:
    """Run the line of Python in the error message and read the file that it saves."""
    line = re.search(r"(torch\.save|safetensors\.torch\.save_file)\(.*\)", error)
    assert line, error
    monkeypatch.chdir(folder)
    names = {"torch": torch}
    if line[1] != "torch.save":
        names["safetensors"] = pytest.importorskip("safetensors.torch") and __import__("safetensors")
    exec(line[0], names)
    return read_weights(folder / ("weights.pth" if line[1] == "torch.save" else "weights.safetensors"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": STATE, "epoch": 90, "optimizer": {"state": {0: {"step": 1}}}}, r"under \['model'\]"),
        ({"arch": "resnet50", "state_dict": with_prefix("module.")}, r"under \['state_dict'\]"),
        ({"epoch": 3, "ema": {"decay": 0.9, "module": STATE}}, r"under \['ema'\]\['module'\]"),
        ({"ema": with_prefix("backbone.body."), "model": STATE}, r"under \['model'\] and \['ema'\]"),
        ({"optimizer": STATE, "my_net": OrderedDict(STATE)}, r"under \['my_net'\]: "),
        (with_prefix("module."), r"all names begin with 'module\.'"),
        (with_prefix("backbone.body."), r"all names begin with 'backbone\.body\.'"),
        (with_prefix("_orig_mod.module.model."), r"all names begin with '_orig_mod\.module\.model\.'"),
        ({"model": STATE, "args": argparse.Namespace(lr=1)}, "more than tensors"),
        ({"net": STATE, "best": np.float64(0.3)}, "more than tensors"),
    ],
)
def test_error_gives_a_line_that_extracts_the_state_dict(
    content: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(content, tmp_path / "it's.pth")
    with pytest.raises(WeightsError, match=message) as refusal:
        read_weights(tmp_path / "it's.pth")
    found = read_after_fix(str(refusal.value), tmp_path, monkeypatch)
    assert found.keys() == STATE.keys()
    assert all(torch.equal(values, STATE[name]) for name, values in found.items())


class PickledModel(nn.Module):
    """A model whose child has a name that checkpoints use as a key."""

    def __init__(self) -> None:
        super().__init__()
        self.ema = nn.Linear(2, 3)


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: {"ema": m, "epoch": 1}], ids=["bare", "in a dict"])
def test_pickled_model_is_not_executed(
    wrap: Callable[[nn.Module], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(wrap(PickledModel()), tmp_path / "whole.pth")
    monkeypatch.setattr(PickledModel, "__setstate__", lambda *_: pytest.fail("the pickle was executed"), raising=False)
    with pytest.raises(WeightsError, match="if you trust it") as refusal:
        read_weights(tmp_path / "whole.pth")
    monkeypatch.undo()
    assert {"ema.weight", "ema.bias"} == read_after_fix(str(refusal.value), tmp_path, monkeypatch).keys()


def test_error_on_prefixed_safetensors_gives_a_line_that_removes_the_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("safetensors.torch").save_file(with_prefix("module."), tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"all names begin with 'module\.'") as refusal:
        read_weights(tmp_path / "a.safetensors")
    assert read_after_fix(str(refusal.value), tmp_path, monkeypatch).keys() == STATE.keys()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "there are none in it"),
        ([STATE], "holds a list"),
        (torch.ones(2), "holds a Tensor"),
        ({**STATE, "epoch": 3}, "the entry 'epoch' is none"),
        ({1: torch.ones(2)}, "the entry 1 is none"),
        ({"optimizer": STATE}, "the entry 'optimizer' is none"),
    ],
)
def test_file_without_a_state_dict_is_refused(content: object, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=f"not a state dict.*{message}"):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "content", [b"", b"<html>404</html>", b"PK\x03\x04", b"\x80\x04\x95", b"version https://git-lfs"]
)
def test_files_of_other_kinds_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"a\.pth: not a state dict: torch cannot read it: fetch it again"):
        read_weights(tmp_path / "a.pth")


def test_prefix_of_the_network_is_kept(tmp_path: Path) -> None:
    """timm's densenet121, tresnet_l and qwen3_vit_88m have these prefixes, without their classifiers."""
    for prefix in ("features.", "body.", "encoder."):
        torch.save(with_prefix(prefix), tmp_path / "a.pth")
        assert read_weights(tmp_path / "a.pth").keys() == with_prefix(prefix).keys()  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return decode(bifpn(resnet(18), depth=1), Scale(output_width=32, head_depth=1))


def published_state() -> State:
    models = pytest.importorskip("torchvision.models")
    state: State = models.resnet18(weights=None).state_dict()
    return state


def test_error_names_the_prefix_of_the_backbone_in_a_detector(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone_alone = {name: values for name, values in published_state().items() if not name.startswith("fc.")}
    path = tmp_path / "FILE"
    torch.save({**with_prefix("encoder_q.", backbone_alone), "rpn.weight": torch.ones(2)}, path)
    with pytest.raises(
        WeightsError, match=r"missing: 'conv1\.weight'.*; those that fit begin with 'encoder_q\.': "
    ) as bad:
        load_backbone(backbone, read_weights(path))
    load_backbone(backbone, read_after_fix(str(bad.value), tmp_path, monkeypatch))
    assert torch.equal(backbone.stem.get_submodule("conv").state_dict()["0.weight"], backbone_alone["conv1.weight"])


def test_error_names_the_prefix_of_timm_weights() -> None:
    timm = pytest.importorskip("timm")
    from nas.ops.stem.timm import timm_stem
    from search_spaces.trunk import bare

    made = decode(bifpn(bare(timm_stem("resnet18")), depth=1), Scale(output_width=32, head_depth=1))
    state = with_prefix("student.", timm.create_model("resnet18").state_dict())
    with pytest.raises(WeightsError, match=r"timm's resnet18.*; those that fit begin with 'student\.'"):
        load_backbone(made, state)
    state = timm.create_model("resnet18").state_dict()
    state["layer1.0.conv1.weight"][0] = torch.nan
    with pytest.raises(WeightsError, match=r"NaN or infinite: 'layer1\.0\.conv1\.weight'"):
        load_backbone(made, state)


def test_common_prefix_has_to_cover_every_wanted_name() -> None:
    assert common_prefix(["a.x", "a.y", "b.x"], ["x", "y"]) == "a."
    assert common_prefix(["a.x", "b.y"], ["x", "y"]) == ""
    assert common_prefix([], []) == ""
