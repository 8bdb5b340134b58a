"""The architecture: allowed imports, the longest file, and forbidden calls."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("search_spaces", "nas", "proxies", "experiments")
"""Lowest first; a floor imports only those below it."""
RAY_ONLY_IN = {
    "nas/search/runners/ray.py",
    "nas/training/ray_launch.py",
    # baselines of benchmarks, written on ray
    "experiments/bench/baselines/naive_loop.py",
    "experiments/bench/baselines/plain_ray.py",
}
OPTUNA_ONLY_IN = {"nas/search/strategies/optuna_samplers.py"}
HEAVY = ("ray", "optuna", "pycocotools")
LIGHT_FLOOR = {*sys.stdlib_module_names, "networkx", "search_spaces"}
"""Modules that search_spaces may import."""
LONGEST = 300

FILES = {str(path.relative_to(ROOT)): path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))}
TESTS = {str(path.relative_to(ROOT)): path for path in sorted((ROOT / "tests").rglob("*.py"))}


def imports(tree: ast.AST) -> Iterator[str]:
    """Every imported module, from anywhere in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "use absolute imports, which name their floor"
            assert node.module
            yield node.module


def packages(source: str) -> set[str]:
    return {name.split(".")[0] for name in imports(ast.parse(source))}


def forbidden(file: str, source: str) -> set[str]:
    """Packages that the file imports but its floor must not."""
    floor = file.split("/")[0]
    above = set(FLOORS[FLOORS.index(floor) + 1 :])
    found = packages(source)
    wrong = found & above
    if floor == FLOORS[0]:
        wrong |= found - LIGHT_FLOOR
    if file not in RAY_ONLY_IN:
        wrong |= found & {"ray"}
    if file.startswith("nas/") and file not in OPTUNA_ONLY_IN:
        wrong |= found & {"optuna"}
    return wrong


def unsafe(source: str) -> list[str]:
    """Calls that execute their input: torch.load without weights_only=True, yaml.load, pickle's readers, eval."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            safe = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)
            if name in {"eval", "exec", "yaml.load", "yaml.unsafe_load"} or (name == "torch.load" and not safe):
                found.append(f"{name}, line {node.lineno}")
        names = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set()
        if isinstance(node, ast.ImportFrom) and (
            (node.module in {"torch", "yaml"} and "load" in names)
            or (node.module in {"pickle", "cloudpickle", "marshal"} and names & {"load", "loads", "Unpickler"})
        ):
            found.append(f"load from {node.module}, line {node.lineno}")
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {
            f"{module}.{name}"
            for module in ("pickle", "cloudpickle", "marshal")
            for name in ("load", "loads", "Unpickler")
        }:
            found.append(f"{ast.unparse(node)}, line {node.lineno}")
    return found


def test_every_floor_exists() -> None:
    assert {file.split("/")[0] for file in FILES} == set(FLOORS)


@pytest.mark.parametrize("file", FILES)
def test_a_floor_imports_only_those_below(file: str) -> None:
    assert forbidden(file, FILES[file].read_text()) == set()


@pytest.mark.parametrize("file", FILES)
def test_no_file_executes_its_input(file: str) -> None:
    assert unsafe(FILES[file].read_text()) == []


@pytest.mark.parametrize("file", {**FILES, **TESTS})
def test_no_file_is_too_long(file: str) -> None:
    assert len((ROOT / file).read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize(
    ("file", "source", "wrong"),
    [
        ("search_spaces/x.py", "import nas.decode", {"nas"}),
        ("search_spaces/x.py", "def f():\n    import torch", {"torch"}),
        ("search_spaces/x.py", "import json, networkx\nfrom search_spaces.ops import op", set()),
        ("nas/x.py", "from proxies.short_train import ShortTrain", {"proxies"}),
        ("nas/x.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import experiments", {"experiments"}),
        ("nas/x.py", "from ray import tune", {"ray"}),
        ("nas/search/runners/ray.py", "from ray import tune", set()),
        ("nas/x.py", "import optuna", {"optuna"}),
        ("nas/search/strategies/optuna_samplers.py", "import optuna", set()),
        ("proxies/x.py", "import experiments.cli, nas.decode", {"experiments"}),
        ("experiments/x.py", "import proxies, nas, search_spaces", set()),
    ],
)
def test_a_forbidden_import_is_found(file: str, source: str, wrong: set[str]) -> None:
    assert forbidden(file, source) == wrong


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("torch.load(path)", 1),
        ("torch.load(path, weights_only=False)", 1),
        ("torch.load(path, weights_only=True)", 0),
        ("from torch import load", 1),
        ("yaml.load(text)", 1),
        ("yaml.safe_load(text)", 0),
        ("pickle.load(file)", 1),
        ("read = pickle.loads", 1),
        ("from pickle import loads", 1),
        ("from pickle import UnpicklingError", 0),
        ("eval(text)", 1),
        ("model.eval()", 0),
    ],
)
def test_an_unsafe_call_is_found(source: str, count: int) -> None:
    assert len(unsafe(source)) == count


def test_importing_nas_imports_no_heavy_package() -> None:
    """A machine without ray can decode, train, evaluate and draw; heavy scoring code is imported when used."""
    modules = [
        file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for file in FILES
        if file.split("/")[0] in ("search_spaces", "nas") and file not in RAY_ONLY_IN | OPTUNA_ONLY_IN
    ]
    code = f"""
import importlib, sys
for name in {modules}:
    importlib.import_module(name)
    heavy = [h for h in {HEAVY} if h in sys.modules]
    assert not heavy, f"{{name}} imports {{heavy}}"
print(len(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-600:]


def test_importing_search_spaces_does_not_import_torch() -> None:
    modules = [file.removesuffix(".py").replace("/", ".") for file in FILES if file.startswith("search_spaces/")]
    code = f"""
import importlib, sys
for name in {modules}:
    importlib.import_module(name.removesuffix(".__init__"))
assert not {{"torch", "numpy", "networkx", "ray"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-600:]
