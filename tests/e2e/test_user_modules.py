"""Spaces, strategies and proxies from a user's module in the working directory."""

import json
from pathlib import Path

import pytest

from tests.support import nas

SMALL = ("--digits.train-images", "4", "--digits.val-images", "2")
MODULE = '''
"""The user's module."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nas.data.detection_set import DetectionSet
from nas.search.strategies import RandomSearch, StrategyConfig, Task
from nas.search.types import Direction, Proxy, Scores
from search_spaces.choose import Chooser
from search_spaces.fpn import resnet_fpn
from search_spaces.genotype import Genotype
from search_spaces.ops import op


@dataclass(frozen=True)
class MySpace:
    name: str = "mine"

    def build(self, choose: Chooser, /) -> Genotype:
        depth = choose("depth", (18, 34, 50, 101))
        fuse = op(choose("fuse", ("sum", "fast", "asff")))
        return resnet_fpn(depth, fuse=fuse, bottom_up=choose("up", (False, True)))


class Deeper(MySpace):
    def build(self, choose: Chooser, /) -> Genotype:
        return resnet_fpn(choose("depth", (101, 152)))


@dataclass(frozen=True)
class Word:
    letters: str

    def key(self) -> str:
        return self.letters


@dataclass(frozen=True)
class WordSpace:
    name: str = "words"

    def build(self, choose: Chooser, /) -> Word:
        return Word("".join(choose(f"letter{i}", tuple("abcdef")) for i in range(4)))


@dataclass(frozen=True)
class Faulty(WordSpace):
    """Faulty: the options of `second` depend on the value of `first`."""

    def build(self, choose: Chooser, /) -> Word:
        first = choose("first", ("a", "b", "c"))
        return Word(first + choose("second", ("a", "b") if first == "a" else ("b", "c")))


words = WordSpace()


class MyStrategy(RandomSearch):
    def __init__(self, config: StrategyConfig, task: Task) -> None:
        super().__init__(task.space, task.objectives, seed=task.seed, asked=task.asked)


@dataclass(frozen=True)
class NodeCount:
    classes: int
    objectives: Mapping[str, Direction]
    steps: int = 2

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        for step in range(1, self.steps + 1):
            yield {"nodes": float(len(genotype.live) * step), "classes": float(self.classes)}


def fewest_nodes(train: DetectionSet, val: DetectionSet) -> Proxy:
    return NodeCount(train.num_classes, {"nodes": "min"})


def untyped(train, val):
    return fewest_nodes(train, val)


def no_proxy(train: DetectionSet, val: DetectionSet) -> int:
    return 3


def one_argument(train: DetectionSet) -> Proxy:
    return fewest_nodes(train, train)


number = 3
'''


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with the user's module `my_things`."""
    workdir = tmp_path_factory.mktemp("user")
    (workdir / "my_things.py").write_text(MODULE)
    (workdir / "my_fault.py").write_text("1 / 0\n")
    (workdir / "my_import.py").write_text("import my_absent\n")
    return workdir


def search(workdir: Path, out: str, *runner: str, trials: int) -> list[dict[str, object]]:
    """Search with the user's space, strategy and proxy; returns the trials."""
    own = ("--space", "my_things:MySpace", "--strategy.name", "my_things:MyStrategy", "--by", "my_things:fewest_nodes")
    nas("search", *own, *SMALL, *runner, "--trials", str(trials), "--out", out, cwd=workdir)
    return trials_of(workdir, out)


def trials_of(workdir: Path, out: str) -> list[dict[str, object]]:
    document = json.loads(nas("inspect", out, "--json", cwd=workdir).stdout)
    assert document["best"] is not None
    found: list[dict[str, object]] = document["trials"]
    return found


def test_search_with_user_parts_resumes_and_can_be_inspected(workdir: Path) -> None:
    first = search(workdir, "local", "--runner", "local", trials=4)
    assert {t["state"] for t in first} == {"finished"}
    assert all(t["scores"]["classes"] == 10 for t in first)  # type: ignore[index]
    config = json.loads((workdir / "local" / "config.json").read_text())
    (workdir / "local" / "config.json").write_text(json.dumps({**config, "trials": 6}))
    nas("resume", "local", cwd=workdir)
    assert trials_of(workdir, "local")[:4] == first
    assert len(trials_of(workdir, "local")) == 6
    assert "nodes" in nas("inspect", "local", cwd=workdir).stdout
    assert json.loads(nas("cost", "local", "--json", cwd=workdir).stdout)["macs"] > 0
    (workdir / "local" / "objectives.json").unlink()
    assert "nas resume local" in nas("inspect", "local", cwd=workdir, code=2).stderr
    nas("resume", "local", cwd=workdir)
    nas("export-optuna", "local", "--storage", "optuna.log", cwd=workdir)


def test_unknown_objective_of_a_user_proxy_creates_no_run(workdir: Path) -> None:
    how = ("--by", "my_things:fewest_nodes", "--objectives", "noodes", "--out", "mistaken")
    assert "did you mean 'nodes'" in nas("search", *how, *SMALL, cwd=workdir, code=2).stderr
    assert not (workdir / "mistaken").exists()


def test_user_proxy_is_ranked(workdir: Path) -> None:
    short = {"steps": 1, "rungs": 1, "val_images": 1, "image_size": 64, "recipe": {"batch_size": 2}}
    own = {"path": "my_things:fewest_nodes", "score": "nodes", "direction": "min"}

    def rank(code: int = 0, **changes: str) -> str:
        plan = {"reference": {"short_train": short}, "settings": {"mine": {"own": own | changes}}}
        (workdir / "plan.json").write_text(json.dumps(plan))
        how = ("--candidates", "3", "--seeds", "1", "--runner", "local", "--space", "my_things:MySpace")
        return nas("rank", *how, *SMALL, "--plan", "plan.json", "--out", "ranked", cwd=workdir, code=code).stderr

    assert "my_things:fewest_nodes: no objective 'noodes'; did you mean 'nodes'?" in rank(2, score="noodes")
    assert "of nodes, min is better: give direction 'min'" in rank(2, direction="max")
    assert "give your score another name" in rank(2, score="seconds")
    assert "settings.mine.own.path" in rank(2, path="my_things:none")
    rank()
    (mine,) = (
        s for s in json.loads((workdir / "ranked" / "report.json").read_text())["settings"] if s["name"] == "mine"
    )
    assert mine["one_seed"]["candidates"] == 3
    assert all(score == [-2 * int(-score[0] // 2)] for score in mine["scores"])
    assert {-score[0] > 20 for score in mine["scores"]} == {True}


@pytest.mark.parametrize("strategy", ["guided", "tpe"])
def test_trace_outside_a_changed_space_is_refused(workdir: Path, strategy: str) -> None:
    how = ("--space", "my_things:MySpace", "--by", "my_things:fewest_nodes", "--strategy.name", strategy)
    nas("search", *how, *SMALL, "--runner", "local", "--trials", "4", "--out", strategy, cwd=workdir)
    config = json.loads((workdir / strategy / "config.json").read_text())
    (workdir / strategy / "config.json").write_text(json.dumps({**config, "space": "my_things:Deeper", "trials": 6}))
    assert "no legal value for decision 'depth'" in nas("resume", strategy, cwd=workdir, code=2).stderr
    export = ("export-optuna", strategy, "--storage", f"{strategy}.log")
    assert "export with the space that was searched" in nas(*export, cwd=workdir, code=2).stderr


def test_pool_workers_import_the_user_module(workdir: Path) -> None:
    assert {t["state"] for t in search(workdir, "pool", "--runner", "pool", trials=6)} <= {"finished", "stopped"}


@pytest.mark.ray
def test_ray_workers_import_the_user_module(workdir: Path, ray_address: str) -> None:
    found = search(workdir, "ray", "--ray-address", ray_address, trials=3)
    assert {str(t["error"]) for t in found} == {"None"}
    assert {t["state"] for t in found} <= {"finished", "stopped"}


@pytest.mark.parametrize(
    ("name", "promises"), [("MySpace", 15), ("WordSpace", 13), ("words", 13), ("MyStrategy", 11), ("fewest_nodes", 5)]
)
def test_check_reports_held_promises(workdir: Path, name: str, promises: int) -> None:
    output = nas("check", f"my_things:{name}", cwd=workdir).stdout
    assert output.count("\nheld    ") == promises
    assert "broken" not in output


def test_check_reports_a_broken_promise_with_its_fix(workdir: Path) -> None:
    output = nas("check", "my_things:Faulty", cwd=workdir, code=1).stdout
    assert "broken  a decision always has the same options: decision 'second' has options " in output
    assert "let an option list depend only on the name of its decision" in output
    assert "held    a seed determines the sample" in output


def test_check_of_a_function_without_return_type_needs_kind(workdir: Path) -> None:
    assert "--kind space, strategy or proxy" in nas("check", "my_things:untyped", cwd=workdir, code=2).stderr
    assert "held" in nas("check", "my_things:untyped", "--kind", "proxy", cwd=workdir).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space", "jont"], "did you mean 'joint'"),
        (["--space", "my_thing:MySpace"], "no module 'my_thing'"),
        (["--space", "my_things:MySpce"], "did you mean 'MySpace'"),
        (["--space", "my_things:"], "write my_module:MySpace"),
        (["--space", "my-things:MySpace"], "write my_module:MySpace"),
        (["--space", "my_things:number"], "of type int, which has no name and no build"),
        (["--space", "my_things:WordSpace"], "members are of type Word, and detectors are built from genotypes"),
        (["--space", "my_fault:MySpace"], "fails on import: ZeroDivisionError"),
        (["--space", "my_import:MySpace"], "fails on import: ModuleNotFoundError: No module named 'my_absent'"),
        (["--strategy.name", "my_things:Nobody"], "no name 'Nobody'"),
        (["--strategy.name", "my_things:no_proxy", "--runner", "local"], "of type int, which has no ask and no tell"),
        (["--by", "zero-costs"], "did you mean 'zero_cost'"),
        (["--by", "my_things:nobody"], "no name 'nobody'"),
        (["--by", "my_things:one_argument"], "the call my_proxy(train, val) does not match its signature"),
        (["--by", "my_things:no_proxy"], "of type int, which has no objectives and no steps and no evaluate"),
        (["--by", "my_things:number"], "the call my_proxy(train, val)"),
    ],
)
def test_invalid_object_name_is_refused_with_its_reason(workdir: Path, arguments: list[str], message: str) -> None:
    command = ["search", *arguments, *SMALL, "--trials", "2", "--out", f"never-{len(list(workdir.iterdir()))}"]
    assert message in " ".join(nas(*command, cwd=workdir, code=2).stderr.replace("│", " ").split())


def test_ranking_takes_a_user_space(workdir: Path) -> None:
    plan = {"reference": {"short_train": {"steps": 1, "rungs": 1}}, "settings": {"fewest": {"cost": {}, "seeds": 1}}}
    (workdir / "plan.json").write_text(json.dumps({**plan, "base": {"image_size": 64, "scale": {"width": 0.0625}}}))
    counts = ("--candidates", "2", "--seeds", "1", "--plan", "plan.json", "--runner", "local")
    nas("rank", "--space", "my_things:MySpace", *SMALL, *counts, "--out", "ranking", cwd=workdir)
    assert json.loads((workdir / "ranking" / "report.json").read_text())["measurements"]["done"] == 4
