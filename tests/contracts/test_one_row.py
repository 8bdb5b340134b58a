"""A proxy, a strategy, a runner and a data format are one file and one row each, in a copy of the four packages."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.support import PACKAGES, ROOT

PROXY = '''
"""Counts nodes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from nas.search.types import Direction, Scores
from nas.data.checks.images import ProgressCallback
from proxies.config import Data, Decoded, ProxyConfig
from search_spaces.genotype import Genotype


class ToyConfig(ProxyConfig):
    """Settings of the toy proxy.

    Attributes:
        factor: the score of a node.
    """

    quick = True

    kind: Literal["toy"] = "toy"
    factor: float = 1.0

    @property
    def objectives(self) -> Mapping[str, Direction]:
        return {"nodes": "min"}

    def prepare(self, data: Data, progress: ProgressCallback | None = None, decoded: Decoded | None = None) -> "Toy":
        return Toy(self)


@dataclass(frozen=True)
class Toy:
    config: ToyConfig
    steps: int = 1

    @property
    def objectives(self) -> Mapping[str, Direction]:
        return self.config.objectives

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        yield {"nodes": self.config.factor * len(genotype.live)}
'''

STRATEGY = '''
"""Mutates the best member so far."""

from typing import Literal

from pydantic import Field, PositiveInt

from nas.search.objectives import objective_vector
from nas.search.strategies.config import StrategyConfig, Task
from nas.search.strategies.proposal_rng import ProposalRng, candidate
from nas.search.types import Candidate, Trial
from search_spaces.choose import SpaceExhausted, mutate, sample


class ToyConfig(StrategyConfig):
    """Settings of the toy strategy."""

    by_first = True
    name: Literal["toy"] = "toy"
    draws: PositiveInt = Field(8, description="Random members before the first mutation.")

    def build(self, task: Task) -> "Toy":
        return Toy(task, self.draws)


class Toy:
    def __init__(self, task: Task, draws: int) -> None:
        self._task, self._draws, self._rng = task, draws, ProposalRng(task.seed, task.asked)
        self._told = []

    def ask(self) -> Candidate:
        rng = self._rng.next()
        if len(self._told) < self._draws:
            return candidate(sample(self._task.space, rng))
        _, best = max(self._told, key=lambda told: told[0])
        try:
            return candidate(mutate(self._task.space, best, rng))
        except SpaceExhausted:
            return candidate(sample(self._task.space, rng))

    def tell(self, trial: Trial) -> None:
        if vector := objective_vector(trial, self._task.objectives):
            self._told.append((vector[0], trial.trace))
'''

RUNNER = '''
"""Runs jobs one after the other."""

from nas.search.runners import Resources
from nas.search.runners.local import LocalRunner


def build(resources: Resources) -> LocalRunner:
    return LocalRunner(time_limit=resources.time_limit)
'''

FORMAT = '''
"""A line per box: image, width, height, x, y, box width, box height; all boxes are of one category."""

from pathlib import Path

from nas.data.diagnostics import Diagnostics
from nas.data.formats.coco_document import Document
from nas.data.formats.split import Format, Split


def toy_splits(root: Path) -> tuple[Split, Split] | None:
    train, val = (Split(root / f"{part}.txt", root, read) for part in ("train", "val"))
    return (train, val) if train.annotations.exists() else None


def read(file: Path, diagnostics: Diagnostics) -> Document:
    rows = [line.split() for line in file.read_text().splitlines()]
    images = {row[0]: {"file_name": row[0], "width": int(row[1]), "height": int(row[2])} for row in rows}
    ids = {name: number for number, name in enumerate(images, 1)}
    return {
        "images": [{"id": ids[name], **image} for name, image in images.items()],
        "annotations": [
            {"id": n, "image_id": ids[name], "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for n, (name, box) in enumerate(((row[0], [float(v) for v in row[3:]]) for row in rows), 1)
        ],
        "categories": [{"id": 1, "name": "thing"}],
    }


TOY = Format(toy_splits, "train.txt and val.txt")
'''

ADDITIONS = {
    "proxies/toy.py": PROXY,
    "nas/search/strategies/toy.py": STRATEGY,
    "nas/search/runners/toy.py": RUNNER,
    "nas/data/formats/toy.py": FORMAT,
}
ROWS = {
    "proxies/registry.py": (
        '        "cost": CostConfig,\n',
        '        "toy": ToyConfig,\n',
        "from proxies.toy import ToyConfig\n",
    ),
    "nas/search/strategies/__init__.py": (
        '        "local": LocalConfig,\n',
        '        "toy": ToyConfig,\n',
        "from nas.search.strategies.toy import ToyConfig\n",
    ),
    "nas/search/runners/__init__.py": (
        '        "local": RunnerKind(',
        '        "toy": RunnerKind("as a toy does", deferred("nas.search.runners.toy:build"), parallel=False),\n',
        "",
    ),
    "nas/data/formats/__init__.py": (
        '"coco": COCO',
        '"toy": TOY, ',
        "from nas.data.formats.toy import TOY\n",
    ),
}
"""File -> (a row of its table, the new row, its import)."""

Run = Callable[..., str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a Python module in a copy of the project with the additions; returns its output."""
    place = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__", "results")
    for folder in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / folder, place / folder, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", place)
    for file, text in ADDITIONS.items():
        assert not (place / file).exists()
        (place / file).write_text(text.lstrip())
    for file, (known, row, imported) in ROWS.items():
        text = (place / file).read_text()
        assert text.count(known) == 1
        (place / file).write_text(text.replace(known, row + known).replace("\nfrom ", f"\n{imported}from ", 1))

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", *arguments]
        env = {"PYTHONPATH": str(place), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(place)}
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=600, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_contract_tests_cover_a_new_row(run: Run) -> None:
    files = [f"tests/contracts/test_{what}.py" for what in ("proxies", "strategies", "runners")]
    said = run("pytest", *files, "-k", "toy", "-p", "no:cacheprovider", "-vv", "--no-header")
    for file in files:
        assert said.count(f"{file}::") >= 2


def test_a_search_accepts_a_new_row(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    Image.new("RGB", (64, 48), "gray").save(data / "gray.png")
    Image.new("RGB", (64, 48), "blue").save(data / "blue.png")
    (data / "train.txt").write_text("gray.png 64 48 4 4 20 20\n")
    (data / "val.txt").write_text("blue.png 64 48 30 8 16 16\n")
    named = "--by toy --toy.factor 3 --strategy.name toy --strategy.draws 3 --runner toy --space fpn --trials 2"
    run("experiments.cli", "search", *named.split(), "--data", str(data), "--out", str(tmp_path / "run"))
    found = json.loads(run("experiments.cli", "inspect", str(tmp_path / "run"), "--json"))
    assert [trial["scores"]["nodes"] % 3 for trial in found["trials"]] == [0, 0]
    shown = run("experiments.cli", "search", "--help")
    for text in (
        "--toy.factor",
        "--strategy.draws",
        "as a toy does",
        "zero_cost, toy, cost,",
        "evolution, toy, local, tpe,",
    ):
        assert text in " ".join(shown.replace("│", " ").split())
