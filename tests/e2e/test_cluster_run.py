"""`nas search` on a cluster whose nodes have neither its code nor its data."""

import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from nas.data.fetch import fetch
from tests.nodes import Nodes
from tests.support import nas

pytestmark = [pytest.mark.ray, pytest.mark.cluster]

PROXY = '''
"""A user's proxy: scores by one pixel of a training image."""

import ray

import own_helper


class Redness:
    objectives = {"ap": "max", "node": "max"}
    steps = 1

    def __init__(self, train, val):
        self.train = train

    def evaluate(self, genotype, *, seed, device):
        assert "py_modules" in own_helper.__file__, "imported from the working directory, not from the upload"
        node = ray.get_runtime_context().get_node_id()
        own_helper.wait_for_two(node)
        yield {"ap": own_helper.redness(self.train.load(0)), "node": float(int(node[:8], 16))}
'''
HELPER = """
import time
from pathlib import Path

MET = Path({met!r})


def wait_for_two(node):
    (MET / node).touch()
    for _ in range(6000):
        if len([*MET.iterdir()]) == 2:
            return
        time.sleep(0.05)
    raise TimeoutError("the other node did not start within five minutes")


def redness(image):
    return float(image[0, 0, 0])
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    """URL of a data set of one image, whose red channel is 200."""
    Image.new("RGB", (40, 30), (200, 0, 0)).save(tmp_path / "0.png")
    document = {
        "images": [{"id": 0, "file_name": "0.png", "width": 40, "height": 30}],
        "annotations": [{"id": 1, "image_id": 0, "category_id": 7, "bbox": [10, 5, 20, 10]}],
        "categories": [{"id": 7, "name": "fish"}],
    }
    with zipfile.ZipFile(tmp_path / "fish.zip", "w") as zipped:
        zipped.write(tmp_path / "0.png", "images/0.png")
        for split in ("train", "val"):
            zipped.writestr(f"{split}.json", json.dumps(document))
    return (tmp_path / "fish.zip").as_uri()


def test_search_sends_code_and_data_to_the_nodes(
    nodes: Nodes, node_cache: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.join()
    nodes.join()
    code = tmp_path / "code"  # Ray adds the working directory to the import path of local workers
    code.mkdir()
    (code / "own_proxy.py").write_text(PROXY)
    met = tmp_path / "met"
    met.mkdir()
    (code / "own_helper.py").write_text(HELPER.format(met=str(met)))
    monkeypatch.syspath_prepend(code)
    monkeypatch.setenv("FUSION_NAS_CACHE", str(tmp_path / "cache"))
    fetch.cache_clear()
    command = ["search", "--ray-address", nodes.address, "--data", url, "--by", "own_proxy:Redness", "--trials", "8"]
    nas(*command, "--gpus-per-trial", "0", "--out", "run", cwd=tmp_path)
    trials = json.loads(nas("inspect", "run", "--json", cwd=tmp_path).stdout)["trials"]
    assert [trial["state"] for trial in trials] == ["finished"] * 8
    assert {trial["scores"]["ap"] for trial in trials} == {200.0}
    assert len({trial["scores"]["node"] for trial in trials}) == 2
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"] == url
    assert [path.name for path in node_cache.glob("*/fish")] == ["fish"]
