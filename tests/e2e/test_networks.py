"""The verbs that build a network, and their flags for head, scale and classes."""

import json
from pathlib import Path
from typing import get_type_hints

import pytest
import tyro

from experiments.commands.network_flags import ScaleOverrides
from search_spaces.scale import Scale
from search_spaces.zoo import ZOO
from tests.support import nas


def test_zoo_prints_one_json_document(folder: Path) -> None:
    rows = json.loads(nas("zoo", "--json", cwd=folder).stdout)["zoo"]
    heads = {row["name"]: row["head"] for row in rows}
    assert (heads["spinenet-49"], heads["yolov3"], heads["fpn"]) == ("retinanet", "yolov3", "fcos")


def test_zoo_fits_a_narrow_terminal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the longest name and the largest numbers; entries are grouped by source."""
    names = ("spinenet-190", "fpn-msfm", "faster-rcnn-r50-fpn-dconv-msfm", max(ZOO, key=len))
    monkeypatch.setattr("experiments.commands.zoo.ZOO", dict.fromkeys(names, None))
    header, *lines = nas("zoo", cwd=folder).stdout.splitlines()
    assert header.split() == ["name", "head", "px", "parameters", "multiply-adds"]
    assert max(map(len, (header, *lines))) <= 80
    assert lines[1:3] == ["SpineNet, arXiv 1912.05027", next(line for line in lines if "spinenet-190" in line)]
    assert lines[2].split() == ["spinenet-190", "retinanet", "1280", "163.64", "M", "1881.7", "G"]
    assert [line.split()[0] for line in lines[4:]] == ["MSFM,", *dict.fromkeys(names[1:])]


def test_zoo_lists_costs_with_another_head_scale_and_class_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that the head cannot read is listed with the reason."""
    monkeypatch.setattr("experiments.commands.zoo.ZOO", ("yolov3", "pafpn"))
    flags = ("--head", "retinanet", "--scale", "proxy", "--classes", "5")
    rows = {row["name"]: row for row in json.loads(nas("zoo", *flags, "--json", cwd=folder).stdout)["zoo"]}
    assert {row["head"] for row in rows.values()} == {"retinanet"}
    assert "a head reads one width" in rows["yolov3"]["error"]
    pafpn = nas("cost", "zoo:pafpn", *flags, "--image-size", "640", "--json", cwd=folder)
    assert rows["pafpn"].items() >= json.loads(pafpn.stdout).items()
    assert "a head reads one width" in " ".join(nas("zoo", *flags, cwd=folder).stdout.split())


def test_old_name_of_the_head_flag_still_works(folder: Path) -> None:
    """A line on stderr names the new flag once; stdout is unchanged."""
    new = nas("cost", "zoo:pafpn", "--head", "retinanet", "--json", cwd=folder)
    assert new.stderr == ""
    for old in (("--detector", "retinanet"), ("--detector=retinanet",)):
        done = nas("cost", "zoo:pafpn", *old, "--json", cwd=folder)
        assert (done.stdout, done.stderr) == (new.stdout, "--detector NAME is now called --head NAME\n")


def test_scale_is_given_by_name_and_fields(folder: Path) -> None:
    """SpineNet-49 at the scale of SpineNet-143 is SpineNet-143; further flags override fields."""

    def cost(*arguments: str) -> dict[str, int]:
        return json.loads(nas("cost", *arguments, "--image-size", "640", "--json", cwd=folder).stdout)

    published = cost("zoo:spinenet-143")
    assert cost("zoo:spinenet-49", "--scale", "143") == published
    assert cost("--scale", "spinenet-143", "zoo:spinenet-49") == published
    assert cost("zoo:spinenet-190", "--scale", "143", "--scale.repeats", "1", "--scale.alpha", ".5") == cost(
        "zoo:spinenet-49"
    )


def test_every_field_of_scale_has_a_flag() -> None:
    assert get_type_hints(ScaleOverrides) == get_type_hints(Scale)


def test_override_with_none_differs_from_no_override(folder: Path) -> None:
    """Scale 49s-256 sets the head width; None makes it equal to the output width."""
    flags = ("cost", "zoo:spinenet-49", "--scale", "49s-256", "--json")
    published, none, wide = (
        json.loads(nas(*flags, *more, cwd=folder).stdout)
        for more in ((), ("--scale.head-width", "None"), ("--scale.head-width", "256"))
    )
    assert published["parameters"] < none["parameters"] == wide["parameters"]


@pytest.mark.parametrize(
    "command",
    [
        "zoo --scale 49 --scale.width .5",
        "cost zoo:spinenet-49 --scale 96 --detector fcos",
        "draw zoo:spinenet-49 --scale.width .5 --scale 96",
        "train zoo:spinenet-49 --scale 96 --data nowhere",
        "import-tf none.npz --out out.pt --padding same --scale 96",
    ],
)
def test_verb_parses_its_arguments_once(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    parser = tyro.cli
    monkeypatch.setattr("tyro.cli", lambda kind, **options: calls.append(kind) or parser(kind, **options))  # type: ignore[func-returns-value]
    verb, *rest = command.split()
    nas(verb, *rest, cwd=folder, code=2 if verb in ("train", "import-tf") else 0)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--scale.width 0", "--scale.width: 0.0 is not a number in 0.015625 .. 16"),
        ("--scale.width wide", "--scale.width: could not convert"),
        ("--scale 97 --scale.width .5", "--scale: no scale '97'"),
    ],
)
@pytest.mark.parametrize("verb", ["zoo", "cost zoo:fpn", "train zoo:fpn --data digits"])
def test_invalid_scale_is_refused(verb: str, flags: str, message: str, folder: Path) -> None:
    assert message in nas(*verb.split(), *flags.split(), cwd=folder, code=2).stderr


def test_draw_prints_head_scale_and_classes(folder: Path) -> None:
    flags = ("--scale", "96", "--head", "faster_rcnn", "--classes", "5")
    output = " ".join(nas("draw", "zoo:spinenet-49", *flags, cwd=folder).stdout.split())
    assert "head faster_rcnn scale width=1.0 repeats=2" in output
    assert "classes 5" in output
    assert "faster_rcnn" in (folder / "spinenet-49-96-faster_rcnn.svg").read_text()


def test_cost_of_a_zoo_entry_is_the_published_one(folder: Path) -> None:
    """By default with the head and class count of the entry; frozen parameters are not trainable."""
    counted = json.loads(nas("cost", "zoo:spinenet-49", "--image-size", "640", "--json", cwd=folder).stdout)
    assert (counted["trainable_parameters"], counted["macs"]) == (28_543_383, 85_281_555_200)
    counted = json.loads(nas("cost", "zoo:retinanet-r50-fpn", "--json", cwd=folder).stdout)
    assert (counted["trainable_parameters"], counted["parameters"]) == (37_743_348, 37_968_692)
    fewer = json.loads(nas("cost", "zoo:spinenet-49", "--classes", "90", "--json", cwd=folder).stdout)
    assert fewer["parameters"] == 28_522_638


def test_diverging_training_exits_with_1(folder: Path) -> None:
    flags = ("--digits.train-images", "16", "--digits.val-images", "8", "--image-size", "64", "--epochs", "20")
    wild = ("--recipe.learning-rate", "1e30", "--recipe.clip", "1e30", "--scale.width", "0.0625")
    small = ("--scale.output-width", "32", "--scale.head-depth", "0")
    done = nas("train", "zoo:fpn", "--data", "digits", *flags, *wild, *small, "--device", "cpu", cwd=folder, code=1)
    assert "nas train: the loss is " in done.stderr
