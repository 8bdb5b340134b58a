"""The Pareto front in `nas inspect`."""

import random
from pathlib import Path

import pytest

from experiments.run.config import SearchConfig
from experiments.run.directory import RunDirectory
from nas.search.types import State
from search_spaces.choose import sample
from search_spaces.joint import JointSpace
from tests.support import nas

SCORES = [(0.3, 0.05, 0.4), (0.2, 0.04, 0.5), (0.2, 0.06, 0.3), (0.1, 0.06, 0.5), (0.9, 0.01, 0.1)]
"""(AP, GMACs, M parameters) per trial; the last trial is stopped early, so it is not on the front."""


def make_run(folder: Path, *objectives: str) -> None:
    run = RunDirectory.create(SearchConfig(out=folder / "run", objectives=objectives), "digits")
    store = run.store()
    for number, scores in enumerate(SCORES):
        member = sample(JointSpace(), random.Random(number))
        trial = store.create(key=member.value.key(), trace=member.trace, genotype=member.value.to_json(), seed=0)
        store.report(trial.number, dict(zip(("ap", "gmacs", "mparams"), scores, strict=True)))
        store.end(trial.number, State.stopped if number == 4 else State.finished, seconds=1.0)
    store.reject()
    store.reject()


@pytest.mark.parametrize(
    ("objectives", "front"),
    [((), [0, 1]), (("mparams", "ap"), [2, 0]), (("ap", "gmacs", "mparams"), [0, 1, 2])],
)
def test_inspect_lists_and_plots_the_front(tmp_path: Path, objectives: tuple[str, ...], front: list[int]) -> None:
    make_run(tmp_path, *objectives)
    shown = nas("inspect", "run", "--pareto", "front.svg", cwd=tmp_path).stdout
    assert "2 proposals were rejected" in shown
    listed = shown.split("The Pareto front of ")[1].splitlines()[2 : 2 + len(front)]
    assert [int(line.split()[0]) for line in listed] == front
    text = (tmp_path / "front.svg").read_text()
    assert {number for number in range(5) if f">#{number}<" in text} == set(front)
    assert all(f">{name} (" in text for name in objectives)


def test_single_objective_has_no_front(tmp_path: Path) -> None:
    make_run(tmp_path, "ap")
    assert "The Pareto front" not in nas("inspect", "run", cwd=tmp_path).stdout
    refused = nas("inspect", "run", "--pareto", "front.svg", cwd=tmp_path, code=2).stderr
    assert "search with two, such as --objectives ap gmacs" in refused
