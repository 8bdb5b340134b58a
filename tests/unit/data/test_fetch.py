"""Data sets by URL: each node downloads the archive once, completely or not at all."""

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
    """Serves a folder and counts requests; with `cut`, it stops in the middle of a response."""

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
    """A server of `fish.zip` and `fish.tar.gz`, data sets of two images of 40x30 px."""
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
    with zipfile.ZipFile(root.parent / "fish.zip", "w") as zipped:  # without a top-level folder
        for path in root.rglob("*.*"):
            zipped.write(path, path.relative_to(root))
    with tarfile.open(root.parent / "fish.tar.gz", "w:gz") as tarred:  # with a top-level folder
        tarred.add(root, "inner")
    use_cache_in(tmp_path, monkeypatch)
    with Server(("127.0.0.1", 0), partial(Handler, directory=str(root.parent))) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def use_cache_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate another node, with its download cache in the folder."""
    monkeypatch.setenv("FUSION_NAS_CACHE", str(folder / "cache"))
    fetch.cache_clear()


@pytest.mark.parametrize(("file", "old"), [("fish.zip", False), ("fish.tar.gz", False), ("fish.tar.gz", True)])
def test_set_is_read_on_another_node(
    server: Server, file: str, old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if old:  # as in Python before 3.11.4
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    train, val = open_data(f"{server.url}/{file}", DigitsConfig())
    assert (train.name, val.name) == ("fish/train", "fish/val")
    sent = pickle.dumps(train.select([1]))
    use_cache_in(tmp_path / "elsewhere", monkeypatch)
    image = pickle.loads(sent).load(0)
    assert np.array_equal(image, np.full((30, 40, 3), (200, 100, 1)))
    assert server.requests == 2, "each node downloads once"


def test_node_fetches_an_archive_once(server: Server) -> None:
    open_val(f"{server.url}/fish.zip", DigitsConfig())
    fetch.cache_clear()  # as in another process
    with ThreadPoolExecutor(4) as pool:
        folders = {*pool.map(fetch, [f"{server.url}/fish.zip"] * 8)}
    assert len(folders) == 1
    assert server.requests == 1


def test_concurrent_fetches_download_once(server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len({*pool.map(fetch.__wrapped__, [f"{server.url}/fish.zip"] * 4)}) == 1
    assert server.requests == 1


def test_incomplete_download_is_not_kept(server: Server) -> None:
    server.cut = True
    url = f"{server.url}/fish.zip"
    with pytest.raises(DataError, match=r"broke off after \d+ of \d+ bytes: try again"):
        fetch(url)
    server.cut = False
    assert (fetch(url) / "train.json").is_file()


def test_file_url_is_read_without_a_server(server: Server, tmp_path: Path) -> None:
    url = (tmp_path / "served" / "fish.zip").as_uri()
    assert open_val(url, DigitsConfig()).num_objects == 1
    assert server.requests == 0


@pytest.mark.parametrize("old", [False, True])
def test_archive_cannot_write_outside_the_cache(
    server: Server, old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if old:  # as in Python before 3.11.4
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
def test_fetch_error_names_the_cause(server: Server, tmp_path: Path, file: str, message: str) -> None:
    (tmp_path / "served" / "broken.zip").write_bytes(b"PK, but no archive")
    with pytest.raises(DataError, match=message):
        fetch(f"{server.url}/{file}")


@pytest.mark.parametrize("url", ["s3://bucket/set.zip", "ftp://host/set.tar", "https://host/set", "https://host/.zip"])
def test_unsupported_url_is_refused(url: str) -> None:
    with pytest.raises(DataError, match="by http://, https://, file://"):
        archive_name(url)


def test_set_is_named_after_its_archive() -> None:
    assert archive_name("https://host/a/my%20set.tar.gz?version=2") == "my set"
