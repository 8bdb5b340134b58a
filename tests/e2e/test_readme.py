"""The Python of the README and of CONTRIBUTING runs as printed."""

import re
from pathlib import Path

import pytest
import torch

from nas.decode import decode
from search_spaces.genotype import Scale
from search_spaces.zoo import zoo

ROOT = Path(__file__).resolve().parents[2]


def snippets(file: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / file).read_text(), re.DOTALL | re.MULTILINE)


def run(snippet: str, **names: object) -> dict[str, object]:
    """Run a snippet on the meta device, which skips weights and arithmetic, and return its variables."""
    with torch.device("meta"):
        exec(compile(snippet, "README", "exec"), names)
    return names


@pytest.mark.parametrize("number", range(3))
def test_a_snippet_of_the_readme_runs(number: int) -> None:
    snippet = snippets("README.md")[number]
    if "timm" in snippet:
        pytest.importorskip("timm", reason="timm is an extra")
    assert run(snippet)


def test_another_library_s_detector_is_built_as_contributing_says() -> None:
    names = {"decode": decode, "zoo": zoo, "Scale": Scale}
    assert len(snippets("README.md")) == 3, "each is a case above"
    (snippet,) = snippets("CONTRIBUTING.md")
    assert isinstance(run(snippet, **names)["detector"], torch.nn.Module)
