"""Interrupt of a training with loader workers by a terminal (SIGINT) or a cluster scheduler (SIGTERM)."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas.training.checkpoint import Checkpoint
from tests.support import nas

DIGITS = ("--digits.train-images", "16", "--digits.val-images", "8")


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_interrupted_training_exits_with_130_and_resumes(folder: Path, interrupt: signal.Signals) -> None:
    """The whole process group gets the signal, as from a terminal or a cluster scheduler."""
    out = f"training cut by {interrupt.name}"
    scale = ("--scale.width", "0.0625", "--scale.output-width", "32", "--scale.head-depth", "1", "--image-size", "64")
    loading = ("--recipe.batch-size", "4", "--cache-gib", "0", "--workers", "2")
    command = ["train", "zoo:fpn", "--data", "digits", *DIGITS, *scale, *loading, "--out", out]
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", *command, "--epochs", "100000"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (folder / out / "last.pt").exists():
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, interrupt)
    printed, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (130, "interrupted\n")
    assert "interrupted: repeat the command to continue from" in " ".join(printed.split())
    epochs = Checkpoint.load(folder / out / "last.pt").epoch + 1
    nas(*command, "--epochs", str(epochs), cwd=folder)
    assert Checkpoint.load(folder / out / "last.pt").epoch == epochs
