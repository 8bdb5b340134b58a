"""Ray starts without a usable HOME or temporary folder, or the error names the fix."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.search.runners import ray_needs
from nas.search.runners.ray_needs import LONGEST_ROOT, lend_token, require_reachable, session_folder
from nas.search.types import CannotRun
from tests.support import nas

NOWHERE = "/proc/nowhere"
"""A folder that no user, root included, can create."""


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a short path in place of Ray's default temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="n", dir="/tmp"))
    monkeypatch.setattr(ray_needs, "_ROOTS", (str(folder),))
    for name in ("RAY_TMPDIR", "TMPDIR", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    yield folder
    shutil.rmtree(folder)


def test_the_session_folder_follows_ray_s_own_order(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert session_folder() == f"{root}/ray"
    monkeypatch.setenv("TMPDIR", f"{root}/a")
    assert session_folder() == f"{root}/a/ray"
    monkeypatch.setenv("RAY_TMPDIR", f"{root}/b")
    assert session_folder() == f"{root}/b/ray"


def test_a_relative_folder_is_made_absolute(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setenv("RAY_TMPDIR", "c")
    assert session_folder() == f"{root}/c/ray"


def test_an_unusable_temporary_folder_is_skipped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (NOWHERE, f"{root}/{'x' * 40}", "/etc/passwd", f"{root}/ä" + "ä" * 20):
        monkeypatch.setenv("TMPDIR", folder)
        assert session_folder() == f"{root}/ray"


def test_a_folder_of_another_user_is_skipped(root: Path) -> None:
    (root / "ray").touch()
    assert session_folder() == f"{root}/ray-{os.getuid()}"


@pytest.mark.parametrize("folder", [NOWHERE, f"/tmp/{'x' * 60}"])
def test_an_unusable_ray_tmpdir_is_refused(folder: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", folder)
    says = f"RAY_TMPDIR is '{folder}', where .* at most {LONGEST_ROOT} bytes, or use --runner local"
    with pytest.raises(CannotRun, match=says):
        session_folder()


def test_the_error_without_a_usable_folder_asks_for_ray_tmpdir(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_needs, "_ROOTS", (NOWHERE,))
    with pytest.raises(CannotRun, match="Ray finds no folder for its sockets: give RAY_TMPDIR"):
        session_folder()


def test_a_root_of_the_longest_allowed_length_fits(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    longest = f"{root}/{'y' * (LONGEST_ROOT - len(str(root)) - 1)}"
    monkeypatch.setenv("RAY_TMPDIR", longest)
    assert session_folder() == f"{longest}/ray"
    assert LONGEST_ROOT > 30
    assert len(f"{longest}/{ray_needs._OWN}/session_2026-11-28_13-25-11_686228_4194304/sockets/plasma_store") <= 103


def test_an_address_at_which_nothing_listens_is_refused() -> None:
    require_reachable("auto")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "127.0.0.1:{1}".format(*server.getsockname())
        require_reachable(address)
    with pytest.raises(CannotRun, match=f"no Ray cluster at {address}: .* start one by `ray start --head`"):
        require_reachable(address)


@pytest.mark.parametrize("home", [NOWHERE, "/etc/passwd"])
def test_a_token_is_set_if_home_is_not_writable(home: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    lend_token()
    token = os.environ["RAY_AUTH_TOKEN"]
    assert len(token) == 64
    lend_token()
    assert os.environ["RAY_AUTH_TOKEN"] == token, "the token stays for the process's lifetime"


def test_no_token_is_set_if_home_or_the_user_provides_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root))
    lend_token()
    assert "RAY_AUTH_TOKEN" not in os.environ
    monkeypatch.setenv("HOME", NOWHERE)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(root / "mine"))
    lend_token()
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_a_search_on_which_ray_cannot_start_fails_no_trial(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", NOWHERE)
    small = ("--digits.train-images", "16", "--digits.val-images", "8", "--proxy.steps", "4", "--proxy.rungs", "2")
    done = nas("search", "--trials", "1", "--out", "run", "--runner", "ray", *small, cwd=tmp_path, code=2)
    assert "No trial has scores yet. `nas resume run` continues." in done.stdout
    assert "RAY_TMPDIR is '/proc/nowhere'" in done.stderr


def test_an_error_of_ray_s_start_is_reported(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.search.runners import ray as ray_runner

    def fail(**_: object) -> None:
        raise Exception("The current node timed out\nduring startup.")

    monkeypatch.setattr("ray.init", fail)
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = "127.0.0.1:{1}".format(*server.getsockname())
        for address, says in ((None, "start on this machine"), (there, f"join the cluster at '{there}'")):
            message = f"Ray cannot {says}: The current node timed out during startup.; --runner local does without"
            with pytest.raises(CannotRun, match=message):
                ray_runner.RayRunner(1, address=address).run(lambda: None, print, bool)


SEARCH = """
import sys
sys.path[:0] = {path!r}
from tests.unit.search.searches import ToySearch
from tests.unit.search.toys import SumProxy
from nas.search.runners.ray import RayRunner
from nas.search.store import Store
store = Store("sqlite://")
proxy = SumProxy()
ToySearch(store=store, trials=2, proxy=proxy, runner=RayRunner(proxy.steps, concurrent=1)).run()
print([trial.state.value for trial in store.trials()])
"""


@pytest.mark.ray
def test_a_search_needs_no_home_and_no_short_temporary_folder(tmp_path: Path) -> None:
    """A new process, in which Ray has not read a token yet, as Ray 2.60 does by default."""
    (long := tmp_path / ("x" * 80)).mkdir()
    unset = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_TMPDIR")
    surroundings = {name: value for name, value in os.environ.items() if name not in unset}
    script = SEARCH.format(path=sys.path)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**surroundings, "HOME": NOWHERE, "TMPDIR": str(long)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stdout.splitlines()[-1:] == ["['finished', 'finished']"], done.stderr
