"""Data by URL: fetched once to a node, whole or not at all, and read wherever they are kept."""

import json
import pickle
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data.detection_set import DataError
from nas.data.digits.scenes import DigitsConfig
from nas.data.fetch import archive_name, fetch
from nas.data.open import open_data, open_val


class Server(ThreadingHTTPServer):
    """Serves a folder, counts requests, and may break off in the middle of an answer."""

    requests = 0
    cut = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        if not self.server.cut:
            return super().do_GET()
        whole = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        self.wfile.write(whole[: len(whole) // 2])
        return None

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves `fish.zip` and `fish.tar.gz`, sets of two images of 40x30 px."""
    root = tmp_path / "served" / "fish"
    (root / "images").mkdir(parents=True)
    document = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 40, "height": 30} for i in range(2)],
        "annotations": [{"id": 1, "image_id": 0, "category_id": 7, "bbox": [10, 5, 20, 10]}],
        "categories": [{"id": 7, "name": "fish"}],
    }
    for split in ("train", "val"):
        (root / f"{split}.json").write_text(json.dumps(document))
    for i in range(2):
        Image.new("RGB", (40, 30), (200, 100, i)).save(root / "images" / f"{i}.png")
    with zipfile.ZipFile(root.parent / "fish.zip", "w") as zipped:  # without a folder of its own
        for path in root.rglob("*.*"):
            zipped.write(path, path.relative_to(root))
    with tarfile.open(root.parent / "fish.tar.gz", "w:gz") as tarred:  # with one
        tarred.add(root, "inner")
    move(tmp_path, monkeypatch)
    with Server(("127.0.0.1", 0), partial(Handler, directory=str(root.parent))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def move(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a node that keeps what it fetches in that folder."""
    monkeypatch.setenv("FUSION_NAS_CACHE", str(folder / "cache"))
    fetch.cache_clear()


@pytest.mark.parametrize(("file", "old"), [("fish.zip", False), ("fish.tar.gz", False), ("fish.tar.gz", True)])
def test_a_set_is_read_on_any_node(
    server: Server, file: str, old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if old:  # a Python 3.11 before 3.11.4
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    train, val = open_data(f"{server.url}/{file}", DigitsConfig())
    assert (train.name, val.name) == ("fish/train", "fish/val")
    sent = pickle.dumps(train.select([1]))
    move(tmp_path / "elsewhere", monkeypatch)
    image = pickle.loads(sent).load(0)
    assert np.array_equal(image, np.full((30, 40, 3), (200, 100, 1)))
    assert server.requests == 2, "once to each node"


def test_a_node_fetches_once(server: Server) -> None:
    open_val(f"{server.url}/fish.zip", DigitsConfig())
    fetch.cache_clear()  # as another process
    with ThreadPoolExecutor(4) as pool:
        folders = {*pool.map(fetch, [f"{server.url}/fish.zip"] * 8)}
    assert len(folders) == 1
    assert server.requests == 1


def test_processes_wait_while_one_fetches(server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len({*pool.map(fetch.__wrapped__, [f"{server.url}/fish.zip"] * 4)}) == 1
    assert server.requests == 1


def test_what_breaks_off_is_not_kept(server: Server) -> None:
    server.cut = True
    url = f"{server.url}/fish.zip"
    with pytest.raises(DataError, match=r"broke off after \d+ of \d+ bytes: try again"):
        fetch(url)
    server.cut = False
    assert (fetch(url) / "train.json").is_file()


def test_a_file_url(server: Server, tmp_path: Path) -> None:
    url = (tmp_path / "served" / "fish.zip").as_uri()
    assert open_val(url, DigitsConfig()).num_objects == 1
    assert server.requests == 0


@pytest.mark.parametrize("old", [False, True])
def test_nothing_is_written_outside(server: Server, old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if old:  # a Python 3.11 before 3.11.4
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    (tmp_path / "evil.json").write_text("{}")
    with tarfile.open(tmp_path / "served" / "evil.tar", "w") as tarred:
        tarred.add(tmp_path / "evil.json", "../../evil.json")
    with pytest.raises(DataError, match="does not unpack"):
        fetch(f"{server.url}/evil.tar")


@pytest.mark.parametrize(
    ("file", "message"),
    [("missing.zip", "cannot be fetched .*404"), ("fish/train.json", "name a .zip, .tar"), ("broken.zip", "unpack")],
)
def test_says_what_is_wrong(server: Server, tmp_path: Path, file: str, message: str) -> None:
    (tmp_path / "served" / "broken.zip").write_bytes(b"PK, but no archive")
    with pytest.raises(DataError, match=message):
        fetch(f"{server.url}/{file}")


@pytest.mark.parametrize("url", ["s3://bucket/set.zip", "ftp://host/set.tar", "https://host/set", "https://host/.zip"])
def test_refuses_what_it_cannot_fetch(url: str) -> None:
    with pytest.raises(DataError, match="by http://, https://, file://"):
        archive_name(url)


def test_a_set_is_called_as_its_archive() -> None:
    assert archive_name("https://host/a/my%20set.tar.gz?version=2") == "my set"
