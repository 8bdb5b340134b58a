"""The Python of the README and of CONTRIBUTING runs as printed."""

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
def test_a_snippet_of_the_readme_runs(number: int) -> None:
    snippet = snippets("README.md")[number]
    if "timm" in snippet:
        pytest.importorskip("timm", reason="timm is an extra")
    assert run(snippet)


def test_the_search_of_the_readme_runs_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, again = (run(snippets("README.md")[3], device="cpu") for _ in range(2))
    assert first["winner"] == again["winner"]
    assert isinstance(first["backbone"], Backbone)


def test_another_library_s_detector_is_built_as_contributing_says() -> None:
    names = {"decode": decode, "zoo": zoo, "Scale": Scale}
    assert len(snippets("README.md")) == 4, "each is a case above"
    (snippet,) = snippets("CONTRIBUTING.md")
    assert isinstance(run(snippet, **names)["detector"], torch.nn.Module)
