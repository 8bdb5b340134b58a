"""The `nas` command, called by users and by programs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.run.config import SearchConfig
from experiments.run.directory import RunDirectory
from nas.training.checkpoint import Checkpoint
from nas.training.evaluation import METRICS
from search_spaces.zoo import zoo
from tests.support import nas

TINY = [
    *("--proxy.steps", "4", "--proxy.rungs", "2"),
    *("--digits.train-images", "16", "--digits.val-images", "8"),
]
TINY_DIGITS = ("--digits.train-images", "16", "--digits.val-images", "8")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """A finished run of three trials."""
    nas("search", "--runner", "local", "--trials", "3", "--out", "run", *TINY, cwd=folder)
    return folder / "run"


def test_search_writes_config_trials_winner_and_environment(run: Path) -> None:
    assert {"config.json", "study.db", "best.json", "environment.json"} <= {p.name for p in run.iterdir()}
    assert json.loads((run / "environment.json").read_text())["seed"] == 0


def test_inspect_prints_one_json_document(run: Path) -> None:
    document = json.loads(nas("inspect", "run", "--json", cwd=run.parent).stdout)
    assert [t["number"] for t in document["trials"]] == [0, 1, 2]
    assert {t["state"] for t in document["trials"]} <= {"finished", "stopped"}
    facts = {"number", "state", "key", "scores", "seconds", "error", "attempts"}
    assert all(set(t) == facts for t in document["trials"])
    assert document["best"] in document["front"]


def test_run_name_may_contain_a_hash(run: Path) -> None:
    """Even if a directory has the name before the hash."""
    (run.parent / "a").mkdir()
    shutil.copytree(run, run.parent / "a#1")
    for name, plain in (("a#1", "run"), ("a#1#1", "run#1"), ("./a#1/#0", "run#0")):
        assert nas("cost", name, "--json", cwd=run.parent) == nas("cost", plain, "--json", cwd=run.parent)
    assert "a#1 has no trial '9'" in nas("cost", "a#1#9", cwd=run.parent, code=2).stderr


def test_same_seed_gives_the_same_search(run: Path) -> None:
    nas("search", "--runner", "local", "--trials", "3", "--out", "again", *TINY, cwd=run.parent)
    first, second = (json.loads(nas("inspect", r, "--json", cwd=run.parent).stdout) for r in ("run", "again"))
    for trial in (*first["trials"], *second["trials"]):
        del trial["seconds"]
    assert first == second


def test_resume_of_a_complete_run_changes_nothing(run: Path) -> None:
    """The output of `nas inspect` stays the same."""
    before = nas("inspect", "run", "--json", cwd=run.parent).stdout
    nas("resume", "run", cwd=run.parent)
    assert nas("inspect", "run", "--json", cwd=run.parent).stdout == before


@pytest.mark.parametrize("genotype", ["run", "run#1", "run/best.json", "zoo:spinenet-49"])
def test_every_form_of_genotype_argument_is_drawn_and_costed(run: Path, genotype: str, tmp_path: Path) -> None:
    nas("draw", genotype, "--out", str(tmp_path / "g.svg"), cwd=run.parent)
    assert (tmp_path / "g.svg").read_text().lstrip().startswith("<?xml")
    counted = json.loads(nas("cost", genotype, "--json", cwd=run.parent).stdout)
    assert counted["parameters"] >= counted["trainable_parameters"] > 0
    assert counted["macs"] > 0


def test_head_flag_changes_cost_and_training(run: Path) -> None:
    """`nas eval` takes the head from the checkpoint."""
    own, other = (
        json.loads(nas("cost", "run", *flags, "--json", cwd=run.parent).stdout)["parameters"]
        for flags in ((), ("--head", "faster_rcnn"))
    )
    assert own != other
    flags = ("--epochs", "1", "--image-size", "96", "--recipe.batch-size", "4", "--detector.proposals", "20")
    nas("train", "run#1", "--head", "cascade_rcnn", "--out", "cascade", *flags, cwd=run.parent)
    scored = nas("eval", "cascade/last.pt", "--data", "digits", "--json", *TINY_DIGITS, cwd=run.parent)
    assert json.loads(scored.stdout) == json.loads((run.parent / "cascade" / "metrics.json").read_text())


def test_search_with_objectives_and_limits(folder: Path) -> None:
    """Hyperband trials with objectives loss and mparams: gmacs within the limits, and the front as list and plot."""
    goals = ("--objectives", "loss", "mparams", "--limits.gmacs", "0.0385", "0.0405", "--scheduler.method", "hyperband")
    nas("search", "--runner", "local", "--trials", "4", "--out", "goals", *goals, *TINY, cwd=folder)
    document = json.loads(nas("inspect", "goals", "--json", cwd=folder).stdout)
    assert document["objectives"] == {"loss": "min", "mparams": "min"}
    assert all(0.0385 <= trial["scores"]["gmacs"] <= 0.0405 for trial in document["trials"])
    finished = {t["number"]: t["scores"] for t in document["trials"] if t["state"] == "finished"}
    assert document["best"] == min(finished, key=lambda number: finished[number]["loss"])
    shown = nas("inspect", "goals", "--pareto", "front.svg", cwd=folder).stdout
    assert "The Pareto front of loss (min), mparams (min):" in shown
    text = (folder / "front.svg").read_text()
    assert {f"#{number}" in text for number in document["front"]} == {True}


def test_json_flag_prints_only_json_on_stdout(run: Path) -> None:
    command = [sys.executable, "-m", "experiments.cli", "inspect", "run", "--json"]
    done = subprocess.run(command, cwd=run.parent, capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) == {"objectives", "rejected", "trials", "best", "front"}
    assert done.stderr == ""


def test_retinanet_is_trained_and_evaluated(folder: Path, tmp_path: Path) -> None:
    digits = ("--data", "digits", "--digits.train-images", "8", "--digits.val-images", "4")
    scale = ("--scale.width", "0.0625", "--scale.output-width", "16", "--scale.head-depth", "1")
    common = ["train", "zoo:retinanet-r50-fpn-dsa-conf", *digits, *scale, "--image-size", "64", "--out", "trained"]
    nas(*common, "--classes", "13", "--epochs", "1", "--recipe.batch-size", "4", cwd=tmp_path)
    assert Checkpoint.load(tmp_path / "trained" / "last.pt").restore().head.classes.num_classes == 13  # type: ignore[union-attr]
    numbers = json.loads((tmp_path / "trained" / "metrics.json").read_text())
    scored = nas("eval", "trained/last.pt", *digits, "--json", cwd=tmp_path)
    assert json.loads(scored.stdout) == pytest.approx(numbers)


def test_winner_is_trained_resumed_and_evaluated(run: Path) -> None:
    common = ["train", "run", "--out", "trained", "--image-size", "96", "--recipe.batch-size", "4"]
    nas(*common, "--epochs", "2", cwd=run.parent)
    numbers = json.loads((run.parent / "trained" / "metrics.json").read_text())
    assert tuple(numbers) == METRICS
    scored = nas(
        *("eval", "trained/last.pt", "--data", "digits", "--json"),
        *("--digits.train-images", "16", "--digits.val-images", "8"),
        cwd=run.parent,
    )
    assert json.loads(scored.stdout) == pytest.approx(numbers)
    scale = Checkpoint.load(run.parent / "trained" / "last.pt").blueprint.scale
    assert (scale.width, scale.output_width, scale.head_depth) == (0.25, 64, 4), (
        "twice the width of the proxy, and the full head depth"
    )
    nas(*common, "--epochs", "3", "--seed", "9", cwd=run.parent, code=2)
    nas(*common, "--epochs", "3", cwd=run.parent)
    assert Checkpoint.load(run.parent / "trained" / "last.pt").epoch == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serch"], "did you mean 'search'"),
        (["search", "digit"], "did you mean 'digits'"),
        (["search", "--by", "cost", "--proxy.image-size", "64"], "with --by cost give --cost.*"),
        (["search", "--zero-cost.scores", "zen"], "--zero-cost.* configures zero_cost, which is not in use"),
        (["search", "--trials", "0"], "greater than or equal to 1"),
        (["search", "--objectives", "los"], "objectives: no score 'los'; did you mean 'loss'?"),
        (["search", "--objectives", "ap", "ap"], "objectives: ap ap: name each once"),
        (["search", "--limits.gmacs", "3", "2"], "(3.0, 2.0) is not a limit"),
        (["search", "--limits.gmacs", "0.001", *TINY_DIGITS], "it has gmacs from 0.0"),
        (["search", "--proxy.image-size", "32", *TINY_DIGITS], "give 64 px or more"),
        (["inspect", "run", "--pareto", "front.png"], "ends in .svg"),
        (["inspect", "run", "--pareto", "no/front.svg"], "there is no directory no"),
        (["search", "--data", "nowhere"], "nowhere"),
        (["search", "--out", "run"], "nas resume run"),
        (["resume", "nowhere"], "nowhere does not exist"),
        (["resume", "run/config.json"], "is a file: give its directory, run"),
        (["inspect", "."], "does not hold a search: it has no config.json"),
        (["cost", "zoo:spinnet-49"], "did you mean 'spinenet-49'"),
        (["cost", "run#99"], "no trial '99'"),
        (["draw", "run", "--out", "g.gif"], ".svg, .png, .pdf, .graphml"),
        (["train", "run", "--backbone-weights", "none.pt"], "none.pt: no such file"),
        (["eval", "run/config.json", "--data", "digits"], "not a checkpoint"),
        (["cost", "zoo:fpn", "--scale.output-width", "40"], "multiple of 32"),
        (["cost", "zoo:spinenet-49", "--head", "fster_rcnn"], "did you mean 'faster_rcnn'"),
        (["zoo", "--head", "fster_rcnn"], "did you mean 'faster_rcnn'"),
        (["draw", "zoo:spinenet-49", "--scale", "97"], "--scale: no scale '97'; known: 49s, 49s-256, 49, 96"),
        (["train", "zoo:spinenet-49", "--scale", "spinenet-1430"], "--scale: no scale 'spinenet-1430'"),
        (["cost", "zoo:spinenet-49", "--classes", "0"], "--classes 0: a classifier has at least 1"),
        (["train", "zoo:fpn", "--data", "digits", "--classes", "9", *TINY_DIGITS], "10 categories: give at least that"),
        (["eval", "zoo:fpn", "--data", "digits"], "nas train zoo:fpn"),
        (["train", "zoo:fpn", "--data", "digits", "--head", "mask_rcnn", *TINY_DIGITS], "'segmentation'"),
    ],
)
def test_invalid_arguments_exit_with_2_and_a_fix(run: Path, arguments: list[str], message: str) -> None:
    assert message in nas(*arguments, cwd=run.parent, code=2).stderr


def test_search_on_missing_data_creates_no_run(folder: Path) -> None:
    nas("search", "--data", "nowhere", "--out", "never", cwd=folder, code=2)
    assert not (folder / "never").exists()


def test_resume_of_a_locked_run_is_refused(run: Path) -> None:
    with RunDirectory.open(run, SearchConfig).lock():
        assert "another process" in nas("resume", "run", cwd=run.parent, code=2).stderr


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["deleted", "emptied"])
@pytest.mark.parametrize("command", ["resume", "inspect"])
def test_run_without_its_store_is_refused(
    run: Path, tmp_path: Path, command: str, lose: Callable[[Path], object]
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    lose(copy / "study.db")
    assert "is missing or empty: restore a copy of it" in nas(command, "run", cwd=tmp_path, code=2).stderr


def test_network_beyond_memory_is_refused_before_the_build(folder: Path) -> None:
    """Each field is valid, but the network is too large by a factor of half a million."""
    document = json.loads(zoo("fpn").genotype.to_json())
    for node in document["nodes"]:
        node["width"] = node["width"] and 8192
    (folder / "huge.json").write_text(json.dumps(document))
    command = ["train", "huge.json", "--data", "digits", "--scale.width", "16", *TINY_DIGITS]
    assert "give a smaller scale" in nas(*command, cwd=folder, code=2).stderr


@pytest.mark.parametrize("document", ["{", "[]", "[" * 100_000, '{"format": "fusion-nas/genotype", "version": 99}'])
def test_malformed_genotype_file_is_refused(folder: Path, document: str) -> None:
    (folder / "bad.json").write_text(document)
    assert "bad.json" in nas("cost", "bad.json", cwd=folder, code=2).stderr


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_interrupted_search_exits_with_130_and_resumes(folder: Path, interrupt: signal.Signals) -> None:
    """The interrupt does not count as an attempt, and `nas resume` completes the requested number of trials."""
    run = f"cut by {interrupt.name}"
    command = [sys.executable, "-m", "experiments.cli", "search", "--runner", "local", "--trials", MANY, "--out", run]
    process = subprocess.Popen([*command, *TINY], cwd=folder, stdout=subprocess.PIPE, text=True)
    _wait_for_trials(folder / run, 2)
    process.send_signal(interrupt)
    assert process.wait(300) == 130
    count = _extend_by_one_trial(folder / run)
    nas("resume", run, cwd=folder)
    document = json.loads(nas("inspect", run, "--json", cwd=folder).stdout)
    assert {t["attempts"] for t in document["trials"]} == {1}
    assert [t["number"] for t in document["trials"]] == list(range(count))
    assert {t["state"] for t in document["trials"]} <= {"finished", "stopped"}
    assert len({t["key"] for t in document["trials"]}) == count


@pytest.mark.ray
def test_search_resumes_after_sigkill_without_losing_trials(folder: Path) -> None:
    """SIGKILL of a search on Ray and all its workers, then `nas resume`, gives the requested number of trials."""
    command = [sys.executable, "-m", "experiments.cli", "search", "--trials", MANY, "--out", "killed"]
    process = subprocess.Popen(
        [*command, *TINY], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    finished = _wait_for_trials(folder / "killed", 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    count = _extend_by_one_trial(folder / "killed")
    # in a subprocess, because Ray enables its token authentication for the whole process that starts it
    subprocess.run([sys.executable, "-m", "experiments.cli", "resume", "killed"], cwd=folder, check=True)
    document = json.loads(nas("inspect", "killed", "--json", cwd=folder).stdout)
    assert [t["number"] for t in document["trials"]] == list(range(count))
    assert {t["state"] for t in document["trials"]} <= {"finished", "stopped"}
    assert len({t["key"] for t in document["trials"]}) == count
    kept = {t["number"]: t for t in document["trials"]}
    assert all(kept[t["number"]] == t for t in finished)


MANY = "1000"
"""Number of trials that no search completes before its interrupt."""


def _extend_by_one_trial(run: Path) -> int:
    """Set the trial limit of a run to one more than its current number of trials; returns the limit."""
    directory = RunDirectory.open(run, SearchConfig)
    store = directory.store()
    count = store.count + 1
    store.close()
    (run / "config.json").write_text(directory.config.model_copy(update={"trials": count}).model_dump_json())
    return count


def _wait_for_trials(run: Path, count: int) -> list[dict[str, object]]:
    """Wait until `count` trials of a running search have ended; returns the ended trials."""
    for _ in range(1500):
        time.sleep(0.2)
        if not (run / "study.db").exists():
            continue
        document = json.loads(nas("inspect", run.name, "--json", cwd=run.parent).stdout)
        ended = [t for t in document["trials"] if t["state"] != "running"]
        if len(ended) >= count:
            return ended
    raise AssertionError(f"{run} did not come to {count} trials in five minutes")
