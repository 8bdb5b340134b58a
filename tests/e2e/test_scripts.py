"""The benchmarks and the overfitting check print their help."""

import runpy
import sys
from pathlib import Path

import pytest

import experiments

_ROOT = Path(experiments.__file__).parent
BENCHES = [file.stem for file in sorted((_ROOT / "bench").glob("*.py")) if "__main__" in file.read_text()]
SCRIPTS = ["experiments.overfit.__main__", *(f"experiments.bench.{name}" for name in BENCHES)]


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_prints_its_help(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    monkeypatch.delitem(sys.modules, script, raising=False)
    with pytest.raises(SystemExit) as end:
        runpy.run_module(script, run_name="__main__")
    assert not end.value.code
    usage, *lines = capsys.readouterr().out.splitlines()
    assert usage.startswith("usage: ")
    assert max(map(len, lines)) <= 80
