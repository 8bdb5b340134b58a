"""The Python snippets of README.md and CONTRIBUTING.md run."""

import re
from pathlib import Path

import pytest
import torch

from nas.decode import Backbone, decode
from search_spaces.genotype import Scale
from search_spaces.zoo import zoo

ROOT = Path(__file__).resolve().parents[2]


def snippets(file: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / file).read_text(), re.DOTALL | re.MULTILINE)


def run(snippet: str, *, device: str = "meta", **names: object) -> dict[str, object]:
    """Run a snippet and return its variables; the meta device skips weights and arithmetic."""
    with torch.device(device):
        exec(compile(snippet, "README", "exec"), names)
    return names


@pytest.mark.parametrize("number", range(3))
def test_readme_snippet_runs(number: int) -> None:
    snippet = snippets("README.md")[number]
    if "timm" in snippet:
        pytest.importorskip("timm", reason="timm is optional")
    assert run(snippet)


def test_readme_search_runs_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, again = (run(snippets("README.md")[3], device="cpu") for _ in range(2))
    assert first["winner"] == again["winner"]
    assert isinstance(first["backbone"], Backbone)


def test_contributing_snippet_builds_a_torchvision_detector() -> None:
    names = {"decode": decode, "zoo": zoo, "Scale": Scale}
    assert len(snippets("README.md")) == 4, "a new snippet needs a test above"
    (snippet,) = snippets("CONTRIBUTING.md")
    assert isinstance(run(snippet, **names)["detector"], torch.nn.Module)
