"""Objects named by import paths: which are found, and which modules are imported."""

import json
import sys
from pathlib import Path

import pytest

from search_spaces.importing import ImportPathError, build_own, imported, is_import_path
from search_spaces.joint import JointSpace
from search_spaces.registry import SPACES, find_space, own_space


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory; `sys.path` is restored afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def test_a_file_that_was_just_written_is_found(here: Path) -> None:
    (here / "written_late.py").write_text("class Outer:\n    class Inner:\n        size = 3\n")
    assert imported("written_late:Outer.Inner").size == 3


def test_a_file_here_does_not_shadow_an_installed_module(here: Path) -> None:
    (here / "json.py").write_text("raise SystemExit('imported')\n")
    assert imported("json:loads") is json.loads


def test_only_the_named_module_is_imported(here: Path) -> None:
    (here / "named_one.py").write_text("one = 1\n")
    (here / "other_one.py").write_text("raise SystemExit('imported')\n")
    imported("named_one:one")
    assert "other_one" not in sys.modules


def test_names_of_the_registry_are_not_import_paths() -> None:
    assert not any(map(is_import_path, SPACES))
    assert find_space("joint") is SPACES["joint"]


def test_a_space_is_given_as_a_class_or_an_instance(here: Path) -> None:
    assert own_space("search_spaces.joint:JointSpace") == JointSpace()
    (here / "made_space.py").write_text("from search_spaces.joint import JointSpace\nspace = JointSpace()\n")
    assert find_space("made_space:space") == JointSpace()


def test_a_space_that_cannot_build_is_refused(here: Path) -> None:
    (here / "sad_space.py").write_text(
        "class Sad:\n    name = 'sad'\n    def build(self, choose):\n        return 1 / 0\n"
    )
    with pytest.raises(ImportPathError, match=r"cannot be built: ZeroDivisionError.*nas check sad_space:Sad"):
        find_space("sad_space:Sad")


def test_an_object_that_fails_is_reported_with_its_path(here: Path) -> None:
    (here / "leaving.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(ImportPathError, match="leaving:X: module leaving fails on import: SystemExit: 3"):
        imported("leaving:X")
    (here / "failing.py").write_text("class X:\n    def __init__(self):\n        raise KeyError('weights')\n")
    with pytest.raises(ImportPathError, match="failing:X fails when called: KeyError: 'weights'"):
        build_own("failing:X", call="X()", needs=())


@pytest.mark.parametrize("path", ["", ":", "a:", ":b", "a b:c", "a:b()", "../a:b", "a.py:B c"])
def test_an_invalid_import_path_is_refused(path: str) -> None:
    with pytest.raises(ImportPathError, match="write my_module:MySpace"):
        imported(path)


def test_an_object_is_called_as_its_example_shows() -> None:
    assert build_own("operator:add", 1, 2, call="add(a, b)", needs=("real",)) == 3
    with pytest.raises(ImportPathError, match=r"the call add\(a, b, c\) does not match its signature: too many"):
        build_own("operator:add", 1, 2, 3, call="add(a, b, c)", needs=())
