"""import-linter and ruff report what pyproject.toml forbids; this file checks further rules itself."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import PACKAGES, ROOT, source_files
from tests.tiers import LONG as LONG_TESTS

LONGEST = 300
LONG: dict[str, str] = {}
"""File above `LONGEST` lines that stays whole -> the reason."""


def settings() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def run(*command: str, cwd: Path, text: str = "") -> tuple[int, str]:
    """Exit code and output of `python ...`, which imports our packages from `cwd` only."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(cwd)},
        input=text,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)  # some releases print colours


# import-linter

LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
LAYERS = "A floor imports only those below it"
PLAIN = "search_spaces is plain Python: of all dependencies, only networkx"
RAY = "Only the Ray runner, and baselines of benchmarks written on Ray, import ray"
OPTUNA = "In nas, only the Optuna strategies import optuna"


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the four packages and pyproject.toml, for tests that add forbidden code."""
    pytest.importorskip("importlinter", reason="needs the extra dev")
    folder = tmp_path_factory.mktemp("copied")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "results"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture
def added(copied: Path) -> Iterator[Path]:
    """A folder to which a test adds `added.py` to one package."""
    yield copied
    for package in PACKAGES:
        (copied / package / "added.py").unlink(missing_ok=True)


def broken(folder: Path) -> set[str]:
    """Names of the contracts that import-linter finds broken."""
    code, output = run("-c", LINT_IMPORTS, cwd=folder)
    names = set(re.findall(r"^(.+) BROKEN\b", output, re.MULTILINE))
    assert bool(names) == bool(code), output
    assert "Contracts: " in output
    return names


def test_every_import_is_allowed(copied: Path) -> None:
    assert broken(copied) == set()


@pytest.mark.parametrize(
    ("package", "source", "contracts"),
    [
        ("search_spaces", "import nas.decode", {LAYERS, PLAIN}),
        ("search_spaces", "def f():\n    import torch", {PLAIN}),
        ("search_spaces", "import json, networkx\nfrom search_spaces.ops import op", set()),
        ("nas", "from proxies.short_train import ShortTrain", {LAYERS}),
        ("nas", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import experiments", {LAYERS}),
        ("nas", "from ray import tune", {RAY}),
        ("nas", "import optuna", {OPTUNA}),
        ("proxies", "import experiments.cli, nas.decode", {LAYERS}),
        ("proxies", "import ray", {RAY}),
        ("experiments", "import proxies, nas, search_spaces, optuna", set()),
    ],
)
def test_import_linter_finds_a_forbidden_import(added: Path, package: str, source: str, contracts: set[str]) -> None:
    (added / package / "added.py").write_text(source)
    assert broken(added) == contracts


def test_search_spaces_may_import_no_dependency_but_networkx() -> None:
    """The contract has to list every package that pyproject.toml declares."""
    (contract,) = [each for each in settings()["tool"]["importlinter"]["contracts"] if each["name"] == PLAIN]
    project = settings()["project"]
    declared = {
        re.split(r"[\[<>=~;]", line)[0].strip()
        for line in [*project["dependencies"], *project["optional-dependencies"]["timm"], "psycopg"]
    }
    names: dict[str, set[str]] = {}
    for module, distributions in importlib.metadata.packages_distributions().items():
        for distribution in distributions:
            names.setdefault(distribution.lower().replace("_", "-"), set()).add(module)
    for distribution in declared - {"networkx"}:
        modules = names.get(distribution, {distribution})
        assert modules & set(contract["forbidden_modules"]), f"{distribution}: add {sorted(modules)} to the contract"


# ruff


@pytest.mark.parametrize(
    ("source", "rules"),
    [
        ("import pickle\n\npickle.load(file)\n", {"S301", "TID251"}),
        ("import pickle\n\nread = pickle.loads\n", {"TID251"}),
        ("from pickle import loads\n\nloads(b'')\n", {"S301", "TID251"}),
        ("from pickle import UnpicklingError\n\nUnpicklingError()\n", set()),
        ("import pickle\n\npickle.Unpickler(file)\n", {"S301", "TID251"}),
        ("import cloudpickle\n\ncloudpickle.loads(b'')\n", {"TID251"}),
        ("import marshal\n\nmarshal.loads(b'')\n", {"S302", "TID251"}),
        ("import yaml\n\nyaml.load(text)\n", {"S506", "TID251"}),
        ("import yaml\n\nyaml.unsafe_load(text)\n", {"TID251"}),
        ("import yaml\n\nyaml.safe_load(text)\n", set()),
        ("eval(text)\n", {"S307"}),
        ("exec(text)\n", {"S102"}),
        ("model.eval()\n", set()),
        ("from . import decode\n", {"TID252"}),
    ],
)
def test_ruff_finds_unsafe_calls_and_relative_imports(source: str, rules: set[str]) -> None:
    pytest.importorskip("ruff", reason="needs the extra dev")
    command = (
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--output-format",
        "concise",
        "--stdin-filename",
        "nas/added.py",
        "-",
    )
    _, output = run(*command, cwd=ROOT, text=source)
    assert set(re.findall(r"\b(?:S|TID)\d{3}\b", output)) == rules, output


# rules that neither linter has


def unsafe_loads(source: str) -> list[int]:
    """Lines that call `torch.load` without `weights_only=True`, which may execute the file, or import its name."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            if not any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords):
                lines.append(node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module == "torch":
            lines += [node.lineno for alias in node.names if alias.name == "load"]
    return lines


def test_torch_load_reads_weights_only() -> None:
    found = {file: unsafe_loads(path.read_text()) for file, path in source_files().items()}
    assert {file: lines for file, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("torch.load(path)", 1),
        ("torch.load(path, weights_only=False)", 1),
        ("torch.load(path, weights_only=True)", 0),
        ("from torch import load", 1),
    ],
)
def test_an_unsafe_load_is_found(source: str, count: int) -> None:
    assert len(unsafe_loads(source)) == count


def test_long_files_have_a_reason() -> None:
    """A warning only: a long file is split by concern, or `LONG` states the reason."""
    lengths = {file: len(path.read_text().splitlines()) for file, path in source_files(*PACKAGES, "tests").items()}
    long = {file: lines for file, lines in lengths.items() if lines > LONGEST}
    assert set(LONG) <= set(long), "no longer above the limit: remove the reason"
    for file in sorted(set(long) - set(LONG)):
        warnings.warn(f"{file}: {long[file]} lines: split it by concern, or give a reason in LONG", stacklevel=1)


def test_files_that_are_not_quick_exist() -> None:
    paths = [start.partition("::")[0] for start in LONG_TESTS]
    assert [path for path in paths if not list(ROOT.glob(f"{path.rstrip('/')}*"))] == []
