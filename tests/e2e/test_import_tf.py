"""`nas import-tf` as a user runs it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support import shared_data

from experiments.cli import main
from nas.training.checkpoint import Checkpoint

TINY = ("--scale.width", "0.33", "--scale.output-width", "48")


@pytest.fixture(scope="module")
def weights() -> Path:
    return shared_data() / "fixtures" / "spinenet_tiny.npz"


@pytest.mark.parametrize(("padding", "prefix"), [("same", "out"), ("symmetric", "tpu_out")])
def test_a_checkpoint_computes_what_the_official_code_does(
    padding: str, prefix: str, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "checkpoint.pt"
    command = ["import-tf", str(weights), "--genotype", "zoo:spinenet-49", "--out", str(out), *TINY]
    assert main([*command, "--padding", padding]) == 0
    checkpoint = Checkpoint.load(out)
    assert len(checkpoint.blueprint.categories) == 91
    with np.load(weights, allow_pickle=False) as arrays, torch.inference_mode():
        maps = checkpoint.restore().get_submodule("backbone")(torch.from_numpy(arrays["input"]).permute(0, 3, 1, 2))
        for level in range(3, 8):
            official = torch.from_numpy(arrays[f"{prefix}_{level}"]).permute(0, 3, 1, 2)
            assert (maps[f"p{level}"] - official).abs().max() < 1e-5 * official.abs().max()


def test_a_misfit_exits_with_2_and_writes_nothing(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "checkpoint.pt"
    assert main(["import-tf", str(weights), "--genotype", "zoo:spinenet-49", "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "mis-shaped, first" in said
    assert "takes (1, 1, 64, 256)" in said
    assert not out.exists()
