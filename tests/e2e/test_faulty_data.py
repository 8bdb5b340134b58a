"""Faulty data sets in `nas search`, `nas train`, `nas eval`, `nas rank` and `nas data check`."""

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main
from tests.sets import Document, edit_annotations, write_set
from tests.support import nas

SEARCH = ("--runner", "local", "--trials", "1", "--proxy.steps", "2", "--proxy.rungs", "1", "--proxy.image-size", "64")
SCALE = ("--scale.width", "0.0625", "--scale.output-width", "32", "--scale.head-depth", "1")
TRAIN = (*SCALE, "--image-size", "64", "--epochs", "1", "--recipe.batch-size", "2")


def _shift_categories(split: str, document: Document) -> None:
    """Give every annotation the next category."""
    for annotation in document["annotations"]:
        annotation["category_id"] = annotation["category_id"] % 3 + 1


def _normalised(a: dict[str, Any]) -> list[float]:
    return [value / 100 for value in a["bbox"]]


def _edit(root: Path, change: Callable[[str, Document], None], split: str = "train") -> None:
    file = root / f"{split}.json"
    document = json.loads(file.read_text())
    change(split, document)
    file.write_text(json.dumps(document))


def test_every_command_reports_crowds_once_per_set(tmp_path: Path) -> None:
    """Every other annotation is a crowd."""
    write_set(tmp_path / "d", change=edit_annotations(iscrowd=lambda a: a["id"] % 2))
    message = "crowds (iscrowd 1), not trained on"
    assert nas("search", "--data", "d", *SEARCH, "--out", "run", cwd=tmp_path).stdout.count(message) == 2
    assert nas("train", "zoo:fpn", "--data", "d", *TRAIN, "--out", "o", cwd=tmp_path).stdout.count(message) == 2
    assert nas("eval", "o/last.pt", "--data", "d", cwd=tmp_path).stderr.count(message) == 1
    assert nas("data", "check", "d", cwd=tmp_path, code=1).stdout.count(message) == 2


def test_every_command_refuses_normalised_boxes(tmp_path: Path) -> None:
    write_set(tmp_path / "d")
    nas("train", "zoo:fpn", "--data", "d", *TRAIN, "--out", "o", cwd=tmp_path)
    for split in ("train", "val"):
        _edit(tmp_path / "d", edit_annotations(bbox=_normalised), split)
    message = "within the first pixel of their image (8)"
    assert message in nas("search", "--data", "d", *SEARCH, "--out", "run", cwd=tmp_path, code=2).stderr
    assert message in nas("train", "zoo:fpn", "--data", "d", *TRAIN, "--out", "new", cwd=tmp_path, code=2).stderr
    assert message in nas("eval", "o/last.pt", "--data", "d", cwd=tmp_path, code=2).stderr
    assert message in nas("data", "check", "d", cwd=tmp_path, code=1).stdout


def test_mask_heads_refuse_malformed_masks(tmp_path: Path) -> None:
    """Heads without masks still train on the boxes."""
    write_set(tmp_path / "d", change=edit_annotations(segmentation=lambda a: {"size": [80, 96], "counts": "b'abc'"}))
    mask = ("train", "zoo:fpn", "--data", "d", *TRAIN, "--head", "mask_rcnn", "--out", "o")
    assert "annotation 1 has compressed run lengths with foreign" in nas(*mask, cwd=tmp_path, code=2).stderr
    assert "malformed masks" in nas("search", "--data", "d", *SEARCH, "--out", "run", cwd=tmp_path).stdout


def test_search_scores_on_images_drawn_from_the_whole_set(tmp_path: Path) -> None:
    """The first 30 validation images have no objects: AP on them alone would be -1."""

    def sorted_by_folder(split: str, document: Document) -> None:
        if split == "val":
            document["annotations"] = [a for a in document["annotations"] if a["image_id"] > 30]

    write_set(tmp_path / "d", images=40, change=sorted_by_folder)
    done = nas("search", "--data", "d", *SEARCH, "--proxy.val-images", "10", "--out", "run", cwd=tmp_path)
    assert "d/val: note: every candidate is scored on the same 10 of its 40 images, drawn at random" in done.stdout
    (trial,) = json.loads(nas("inspect", "run", "--json", cwd=tmp_path).stdout)["trials"]
    assert trial["scores"]["ap"] >= 0


def test_search_and_training_run_on_a_single_image(tmp_path: Path) -> None:
    write_set(tmp_path / "d", images=1)
    assert "a single image" in nas("search", "--data", "d", *SEARCH, "--out", "run", cwd=tmp_path).stdout
    (trial,) = json.loads(nas("inspect", "run", "--json", cwd=tmp_path).stdout)["trials"]
    assert (trial["state"], trial["error"]) == ("finished", None)
    nas("train", "zoo:fpn", "--data", "d", *TRAIN, "--out", "o", cwd=tmp_path)


def test_training_on_changed_labels_is_refused(tmp_path: Path) -> None:
    """The refusal leaves checkpoint and metrics unchanged. More epochs and a moved data set are accepted."""
    write_set(tmp_path / "d")
    command = ("train", "zoo:fpn", *TRAIN, "--out", "o")
    nas(*command, "--data", "d", cwd=tmp_path)
    kept = {name: (tmp_path / "o" / name).read_bytes() for name in ("last.pt", "metrics.json")}
    again = nas(*command, "--data", str(tmp_path / "d"), cwd=tmp_path)
    assert "trained for 1 epochs already" in again.stdout
    assert (tmp_path / "o" / "last.pt").read_bytes() == kept["last.pt"]
    _edit(tmp_path / "d", _shift_categories)
    done = nas(*command, "--data", "d", cwd=tmp_path, code=2)
    assert "the training set is not the one of before: the categories of objects" in done.stderr
    assert {name: (tmp_path / "o" / name).read_bytes() for name in kept} == kept
    for _ in range(2):  # the third shift restores the categories
        _edit(tmp_path / "d", _shift_categories)
    (tmp_path / "d").rename(tmp_path / "moved")
    assert "resumes after epoch 1" in nas(*command, "--data", "moved", "--epochs", "2", cwd=tmp_path).stdout


def test_resume_of_a_search_on_changed_data_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path / "d")
    nas("search", "--data", "d", *SEARCH, "--out", "run", cwd=tmp_path)
    nas("resume", "run", cwd=tmp_path)
    _edit(tmp_path / "d", _shift_categories, "val")
    done = nas("resume", "run", cwd=tmp_path, code=2)
    assert "run: its trials were scored on other data: of d/val, the categories of objects" in done.stderr
    nas("inspect", "run", cwd=tmp_path)


def test_shared_study_refuses_other_data(tmp_path: Path) -> None:
    """Data sets are compared by content: a directory of the same name with other labels is refused."""
    write_set(tmp_path / "a" / "d")
    write_set(tmp_path / "b" / "d", change=_shift_categories)
    common = (*SEARCH, "--store", f"sqlite:///{tmp_path}/team.db")
    nas("search", "--data", "a/d", *common, "--out", "first", cwd=tmp_path)
    done = nas("search", "--data", "b/d", *common, "--out", "second", cwd=tmp_path, code=2)
    assert "contents.train.labels is" in done.stderr


def test_resume_of_a_ranking_on_changed_data_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path / "d")
    reference = {"short_train": {"steps": 1, "rungs": 1}, "seeds": 1}
    plan = {"base": {"image_size": 64}, "reference": reference, "settings": {"small-is-good": {"cost": {}, "seeds": 1}}}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    command = ("rank", "--data", "d", "--plan", "plan.json", "--candidates", "2", "--runner", "local", "--out", "r")
    nas(*command, cwd=tmp_path)
    nas("rank", "r", cwd=tmp_path)
    _edit(tmp_path / "d", _shift_categories)
    assert "of d/train, the categories of objects" in nas("rank", "r", cwd=tmp_path, code=2).stderr


def test_square_brackets_in_a_path_are_printed(tmp_path: Path) -> None:
    """As rich markup, `[/b]` would be an error and `[v2]` would vanish."""
    write_set(tmp_path / "d [x]")
    (tmp_path / "a [/b]").mkdir(parents=True)
    done = nas("search", "--data", "d [x]", *SEARCH, "--out", "a [/b]/run [v2]", cwd=tmp_path)
    assert "winner   a [/b]/run [v2]/best.json (trial 0)" in done.stdout
    assert "draw     nas draw 'a [/b]/run [v2]'" in done.stdout
    assert "a [/b]/run [v2]: 1 trials" in done.stdout
    trained = nas("train", "a [/b]/run [v2]", *TRAIN, "--out", "o [v2]", cwd=tmp_path)
    assert "checkpoint o [v2]/last.pt, metrics o [v2]/metrics.json" in trained.stdout
    assert "drawn to g [1].svg" in nas("draw", "a [/b]/run [v2]", "--out", "g [1].svg", cwd=tmp_path).stdout


def test_characters_outside_the_output_encoding_are_replaced(tmp_path: Path) -> None:
    """The star of the Pareto front becomes an asterisk."""
    write_set(tmp_path / "d")
    nas("search", "--data", "d", *SEARCH, "--out", "run", cwd=tmp_path)
    for encoding, star in (("latin-1", "*"), ("ascii", "*"), ("utf-8", "★")):
        written = io.BytesIO()
        stream = io.TextIOWrapper(written, encoding, write_through=True)
        with contextlib.redirect_stdout(stream):
            assert main(["inspect", str(tmp_path / "run")]) == 0
        assert f"{star} on the Pareto front" in written.getvalue().decode(encoding)


def test_check_of_a_valid_set_succeeds(tmp_path: Path) -> None:
    write_set(tmp_path / "d")
    done = nas("data", "check", "d", cwd=tmp_path)
    assert "d/train: 4 images, 8 objects of 3 categories" in done.stdout
    assert "nothing wrong" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data", "check", "nowhere"), "nowhere is not a directory"),
        (("data", "chek", "d"), "Expected one of ('check',)"),
        (("data", "check", "."), "holds no annotations that are known: put train.json"),
    ],
)
def test_invalid_check_arguments_are_refused(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in nas(*arguments, cwd=tmp_path, code=2).stderr
