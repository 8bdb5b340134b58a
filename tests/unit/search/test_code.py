"""The code that is sent to a cluster's workers: our packages and the user's, without installed packages."""

import importlib
from pathlib import Path

import numpy  # noqa: F401 - an installed package, which is not sent
import pytest

import nas
from nas.search.runners.code import imported_code


def test_imported_code_that_is_not_installed_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_module.py").write_text("import own_package.part\n")
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "part.py").touch()
    (tmp_path / "never_imported.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("own_module")
    sent = imported_code()
    assert {str(tmp_path / "own_module.py"), str(tmp_path / "own_package")} <= set(sent)
    assert str(Path(nas.__path__[0])) in sent
    names = {Path(path).stem for path in sent}
    assert not names & {"never_imported", "numpy", "pytest", "json", "os", "__main__"}
