"""Latency of a detector: eager, exported and compiled."""

import json
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from experiments.cli import main
from nas.cost import cost
from nas.latency import MODES, Mode, latency
from search_spaces.genotype import Edge, Genotype, Node, Scale
from search_spaces.ops import op

TINY = Genotype(
    op("resnet_stem", width=8), (Node("p3", 3, None, (Edge("stem2", op("lateral")),)),), ("p3",), op("fcos")
)
SCALE = Scale(output_width=32, head_depth=0)


def timed(mode: Mode, *, batch: int = 1, image_size: int = 32) -> float:
    return latency(TINY, SCALE, image_size=image_size, num_classes=3, device="cpu", batch=batch, mode=mode)


@pytest.mark.parametrize("mode", ["eager", "exported"])
def test_latency_times_one_pass(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that counts FLOPs, latency is proportional to the number of images and pixels."""
    with FlopCounterMode(display=False) as computed:
        monkeypatch.setattr("nas.latency.time.perf_counter", computed.get_total_flops)
        base = timed(mode)
        assert base == 2e3 * cost(TINY, SCALE, image_size=32, num_classes=3).macs
        assert timed(mode, batch=3) == 3 * base
        assert timed(mode, image_size=64) == 4 * base


@pytest.mark.slow
def test_latency_times_a_compiled_network() -> None:
    assert timed("compiled") > 0


def test_nas_cost_reports_latency_and_the_reason_for_missing_modes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a C++ compiler, the other modes are still timed."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "tiny.json"
    path.write_text(TINY.to_json())
    flags = ["--scale.output-width", "32", "--scale.head-depth", "0", "--image-size", "32", "--device", "cpu"]
    with torch._inductor.config.patch({"cpp.cxx": (None, "no-such-compiler")}):
        assert main(["cost", str(path), *flags, "--latency", "--batch", "2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["latency"]
    assert [(row["mode"], row["batch"]) for row in rows] == [(mode, batch) for mode in MODES for batch in (1, 2)]
    for row in rows:
        assert (row["ms"] is None) == (row["mode"] == "compiled")
        assert ("C++ compiler" in row["reason"]) == (row["mode"] == "compiled")


def test_nas_cost_reports_no_latency_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tiny.json"
    path.write_text(TINY.to_json())
    assert main(["cost", str(path), "--scale.output-width", "32", "--json"]) == 0
    assert "latency" not in json.loads(capsys.readouterr().out)
    assert main(["cost", str(path), "--batch", "0"]) == 2
    assert "--batch 0" in capsys.readouterr().err
