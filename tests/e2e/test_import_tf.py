"""The command `nas import-tf`."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.cli import main
from nas.training.checkpoint import Checkpoint
from search_spaces.rewrite import with_padding
from search_spaces.zoo import zoo
from tests.support import shared_data

TRAIN = (
    *("--data", "digits", "--digits.train-images", "4", "--digits.val-images", "2", "--image-size", "64"),
    *("--epochs", "1", "--recipe.batch-size", "4", "--recipe.learning-rate", "1e-12", "--recipe.weight-decay", "0"),
)
TINY = ("--scale.width", "0.33", "--scale.output-width", "48")


@pytest.fixture(scope="module")
def weights() -> Path:
    return shared_data() / "fixtures" / "spinenet_tiny.npz"


def imported(weights: Path, out: Path, *flags: str) -> Checkpoint:
    assert main(["import-tf", str(weights), "--genotype", "zoo:spinenet-49", "--out", str(out), *TINY, *flags]) == 0
    return Checkpoint.load(out)


@pytest.mark.parametrize(("padding", "prefix"), [("same", "out"), ("symmetric", "tpu_out")])
def test_imported_checkpoint_matches_the_official_code(
    padding: str, prefix: str, weights: Path, tmp_path: Path
) -> None:
    checkpoint = imported(weights, tmp_path / "checkpoint.pt", "--padding", padding)
    with np.load(weights, allow_pickle=False) as arrays, torch.inference_mode():
        maps = checkpoint.restore().get_submodule("backbone")(torch.from_numpy(arrays["input"]).permute(0, 3, 1, 2))
        for level in range(3, 8):
            official = torch.from_numpy(arrays[f"{prefix}_{level}"]).permute(0, 3, 1, 2)
            assert (maps[f"p{level}"] - official).abs().max() < 1e-5 * official.abs().max()


def test_mismatched_weights_exit_with_2_and_write_nothing(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "checkpoint.pt"
    assert main(["import-tf", str(weights), "--padding", "same", "--out", str(out)]) == 2
    output = capsys.readouterr().err
    assert "mis-shaped, first" in output
    assert "takes (1, 1, 64, 256)" in output
    assert not out.exists()


def test_negative_variance_is_refused(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with np.load(weights, allow_pickle=False) as arrays:
        changed = dict(arrays)
    name = next(name for name in changed if "moving_variance" in name)
    changed[name] = -changed[name]
    np.savez(tmp_path / "changed.npz", **changed)
    out = tmp_path / "checkpoint.pt"
    assert main(["import-tf", str(tmp_path / "changed.npz"), "--padding", "same", "--out", str(out), *TINY]) == 2
    assert f"{name!r} is negative in places" in capsys.readouterr().err


def test_unknown_padding_has_to_be_given(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "checkpoint.pt"
    assert main(["import-tf", str(weights), "--out", str(out), *TINY]) == 2
    output = capsys.readouterr().err
    assert "'same': tf-models" in output
    assert "'symmetric': the paper's TPU release" in output
    (tmp_path / "same.json").write_text(with_padding(zoo("spinenet-49").genotype, "same").to_json())
    assert main(["import-tf", str(weights), "--genotype", str(tmp_path / "same.json"), "--out", str(out), *TINY]) == 0


@pytest.mark.parametrize(("padding", "epsilon"), [("same", 1e-3), ("symmetric", 1e-4)])
def test_norm_epsilon_defaults_to_that_of_the_official_code(
    padding: str, epsilon: float, weights: Path, tmp_path: Path
) -> None:
    with np.load(weights, allow_pickle=False) as arrays:
        np.savez(tmp_path / "bare.npz", **{name: arrays[name] for name in arrays.files if name != "config_json"})
    out = tmp_path / "checkpoint.pt"
    found = imported(tmp_path / "bare.npz", out, "--padding", padding).blueprint.detector
    assert found.norm_epsilon == epsilon
    given = imported(tmp_path / "bare.npz", out, "--padding", padding, "--norm-epsilon", "0.01").blueprint.detector
    assert given.norm_epsilon == 0.01


def test_imported_checkpoint_is_evaluated_on_coco(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The outputs are COCO category ids. The head is untrained, so AP is 0."""
    with np.load(weights, allow_pickle=False) as arrays:
        head = {"retina_net_head/classnet_0/kernel:0": np.zeros((3, 3, 48, 48), np.float32)}
        np.savez(tmp_path / "whole.npz", **head, **{name: arrays[name] for name in arrays.files})
    out = tmp_path / "checkpoint.pt"
    blueprint = imported(tmp_path / "whole.npz", out, "--padding", "same", "--image-size", "32").blueprint
    output = " ".join(capsys.readouterr().out.split())
    assert "left out: 1 variables of a head, first retina_net_head/classnet_0/kernel:0" in output
    assert "the head is untrained" in output
    data = shared_data() / "data" / "coco_mini"
    named = {c.id: c.name for c in blueprint.categories}
    assert len(named) == 91
    assert all(named[c["id"]] == c["name"] for c in json.loads((data / "val.json").read_text())["categories"])
    assert main(["eval", str(out), "--data", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["AP"] == 0
    assert main(["eval", str(out), "--data", str(data.parent / "bccd")]) == 2
    assert "which the detector does not know" in capsys.readouterr().err


def test_training_starts_from_an_imported_backbone(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The training takes padding and norm epsilon from the imported checkpoint."""
    out = tmp_path / "checkpoint.pt"
    checkpoint = imported(weights, out, "--padding", "same")
    command = ["train", "zoo:spinenet-49", "--backbone-weights", str(out), "--out", str(tmp_path / "trained"), *TRAIN]
    assert main([*command, *TINY]) == 0
    made = Checkpoint.load(tmp_path / "trained" / "last.pt")
    assert made.blueprint.genotype == checkpoint.blueprint.genotype
    assert made.blueprint.detector.norm_epsilon == checkpoint.blueprint.detector.norm_epsilon == 1e-3
    assert len(made.blueprint.categories) == 10
    kernels = [name for name in checkpoint.state["model"] if name.startswith("backbone") and name.endswith("0.weight")]
    assert len(kernels) > 100
    for name in kernels:
        torch.testing.assert_close(made.state["model"][name], checkpoint.state["model"][name])
    assert main([*command, *TINY]) == 0
    assert main([*command, "--out", str(tmp_path / "other"), "--scale.output-width", "48"]) == 2
    assert "of another shape: 'nodes.node_b0" in capsys.readouterr().err
    command[1] = "zoo:retinanet-r50-fpn"
    assert main([*command, *TINY]) == 2
    assert "they differ in the stem" in capsys.readouterr().err
