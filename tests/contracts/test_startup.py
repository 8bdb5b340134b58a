"""Modules and commands import slow packages only if they compute with them."""

import subprocess
import sys
from pathlib import Path

import pytest

from experiments.cli import VERBS
from nas.training.device import has_driver
from tests.support import ROOT, module_name, source_files

HEAVY = ("torch", "torchvision", "ray", "optuna", "sklearn", "scipy", "pycocotools")
SEARCH = (
    *("search", "--by", "cost", "--runner", "local", "--trials", "3", "--strategy.name", "random"),
    *("--objectives", "gmacs", "mparams"),
    *("--digits.train-images", "10", "--digits.val-images", "10"),
)
_CODE = f"""
import sys
from experiments.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print("imported", *[name for name in {HEAVY} if name in sys.modules])
sys.exit(code)
"""


def imported(*arguments: str, cwd: Path) -> set[str]:
    """The heavy modules that a command has imported by its end, in a separate process."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{_CODE}", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-600:]
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "imported"
    return set(last[1:])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run."""
    folder = tmp_path_factory.mktemp("startup")
    imported(*SEARCH, "--out", "run", cwd=folder)
    return folder


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_imports_nothing_heavy(verb: str, tmp_path: Path) -> None:
    assert imported(verb, "--help", cwd=tmp_path) == set()


@pytest.mark.parametrize(
    "arguments",
    [
        "zoo",
        "cost zoo:spinenet-49",
        "cost zoo:spinenet-49 --detector mask_rcnn",
        "cost run",
        "draw zoo:spinenet-49",
        "draw run#1",
        "inspect run",
        "inspect run --json",
        "inspect run --pareto front.svg",
    ],
)
def test_a_command_that_only_reads_or_counts_imports_nothing_heavy(arguments: str, folder: Path) -> None:
    assert imported(*arguments.split(), cwd=folder) == set()


@pytest.mark.skipif(has_driver(), reason="a search imports torch to look for GPUs if the machine has a driver")
@pytest.mark.parametrize("arguments", [SEARCH, ("resume", "run")], ids=["search", "resume"])
def test_a_search_that_trains_nothing_imports_no_torch(arguments: tuple[str, ...], folder: Path) -> None:
    assert not imported(*arguments, cwd=folder) & {"torch", "torchvision", "ray", "optuna", "pycocotools"}


def test_a_command_that_builds_networks_imports_torch(tmp_path: Path) -> None:
    assert "torch" in imported("published", cwd=tmp_path)


def modules_imported(files: list[str]) -> set[str]:
    """Top-level modules that these files import, directly or not, in a separate process."""
    code = f"""
import importlib, sys
for name in {[module_name(file) for file in files]}:
    importlib.import_module(name)
print(*{{name.split(".")[0] for name in sys.modules}})
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-600:]
    return set(done.stdout.split())


def test_importing_nas_imports_no_heavy_package() -> None:
    """A machine without Ray can decode, train, evaluate and draw; heavy scoring code is imported when used."""
    needs_ray_or_optuna = (
        "nas/search/runners/ray.py",
        "nas/training/ray_launch.py",
        "nas/search/strategies/optuna_samplers.py",
    )
    files = [file for file in source_files("search_spaces", "nas") if file not in needs_ray_or_optuna]
    assert not {"ray", "optuna", "pycocotools"} & modules_imported(files)


def test_importing_search_spaces_imports_no_dependency() -> None:
    files = list(source_files("search_spaces"))
    assert not {"torch", "numpy", "networkx", "ray"} & modules_imported(files)
