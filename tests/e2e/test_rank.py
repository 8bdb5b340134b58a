"""The command `nas rank`, with trainings too small for a meaningful ranking."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main
from experiments.rank.config import RankConfig
from experiments.rank.plans import default_plan
from experiments.run.directory import RunDirectory
from experiments.run.presets import preset
from nas.cost import cost, require_memory
from proxies.config import ShortTrainConfig
from proxies.short_train import ShortTrain
from search_spaces.choose import first_choice
from search_spaces.registry import SPACES

PLAN = {
    "base": {
        "image_size": 64,
        "val_images": 4,
        "scale": {"width": 0.0625, "head_depth": 0},
        "recipe": {"batch_size": 2},
    },
    "reference": {"short_train": {"steps": 4, "rungs": 2}},
    "settings": {
        "short": {"short_train": {"steps": 2, "rungs": 1}},
        "once": {"short_train": {"steps": 1, "rungs": 1, "recipe": {"learning_rate": 0.01}}, "seeds": 1},
    },
}
SMALL = ("--runner", "local", "--digits.train-images", "4", "--digits.val-images", "4", "--space", "dsa")
FEW = ("--candidates", "3", "--seeds", "2")


@pytest.fixture
def plan(tmp_path: Path) -> str:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    return str(tmp_path / "plan.json")


def rank(*arguments: str, code: int = 0) -> None:
    try:
        returned = main(["rank", *arguments])
    except SystemExit as exit_:
        returned = int(exit_.code or 0)
    assert returned == code


def report(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "report.json").read_text())
    return document


def test_interrupted_ranking_is_reported_and_resumed(
    plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "ranking"
    with monkeypatch.context() as patch:
        patch.setattr(ShortTrain, "evaluate", interrupted_at(7, ShortTrain.evaluate))
        rank(*SMALL, *FEW, "--plan", plan, "--out", str(out), code=130)
    output = capsys.readouterr().out
    assert f"nas rank {out}" in output
    assert "3 candidates are too few to choose a proxy: give 10 or more" in output
    assert report(out)["measurements"] == {"done": 6, "planned": 15}
    scored = report(out)["settings"][0]["scores"]
    assert [None not in row for row in scored] == [False, False, False]
    (out / "report.json").unlink()
    rank(str(out), "--report")
    assert report(out)["measurements"]["done"] == 6
    with RunDirectory.open(out, RankConfig).lock():
        rank(str(out), "--report")
        rank(str(out), code=2)
    rank(str(out), "--require-tau", "-1")
    whole = report(out)
    assert whole["measurements"] == {"done": 15, "planned": 15}
    seeds = {setting["name"]: len(setting["seeds"]) for setting in whole["settings"] if ":" not in setting["name"]}
    assert seeds == {"reference": 2, "reference@50%": 2, "short": 2, "once": 1}
    assert [row[0] for row in whole["settings"][0]["scores"]][:2] == [row[0] for row in scored][:2]
    assert all(None not in row for setting in whole["settings"] for row in (*setting["scores"], *setting["seconds"]))
    assert whole["required_tau"] == -1
    assert "| reference |" in (out / "report.md").read_text()
    assert (out / "tau_against_cost.svg").read_text().lstrip().startswith("<?xml")
    rank(str(out))
    assert report(out)["settings"] == whole["settings"]


def interrupted_at(count: int, evaluate: Any) -> Any:
    calls = iter(range(1, count + 1))

    def wrapped(*arguments: Any, **settings: Any) -> Iterator[Any]:
        if next(calls) == count:
            raise KeyboardInterrupt
        yield from evaluate(*arguments, **settings)

    return wrapped


def test_ranking_with_more_candidates_measures_only_the_new_ones(plan: str, tmp_path: Path) -> None:
    """The number of candidates is raised in `ranking.json`."""
    out = tmp_path / "ranking"
    rank(*SMALL, "--candidates", "2", "--seeds", "1", "--plan", plan, "--out", str(out))
    before = report(out)["settings"]
    config = json.loads((out / "ranking.json").read_text())
    (out / "ranking.json").write_text(json.dumps({**config, "candidates": 3}))
    rank(str(out))
    after = report(out)["settings"]
    assert [setting["scores"][:2] for setting in after] == [setting["scores"] for setting in before]
    assert [setting["seconds"][:2] for setting in after] == [setting["seconds"] for setting in before]
    assert all(len(setting["scores"]) == 3 for setting in after)


def test_changed_setting_is_refused(plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its old scores would be taken for new ones. Under a new name, the setting is measured."""
    out = tmp_path / "ranking"
    rank(*SMALL, "--candidates", "2", "--seeds", "1", "--plan", plan, "--out", str(out))
    config = json.loads((out / "ranking.json").read_text())
    settings = config["plan"]["settings"]
    changed = {**settings["once"], "proxy": {**settings["once"]["proxy"], "val_images": 3}}
    capsys.readouterr()
    for now in ({**settings, "once": changed}, {**settings, "one": changed}):
        (out / "ranking.json").write_text(json.dumps({**config, "plan": {**config["plan"], "settings": now}}))
        rank(str(out), code=0 if "one" in now else 2)
    assert "setting 'once' was measured with val_images 4, not 3: give the" in capsys.readouterr().err
    assert [s["scores"] for s in report(out)["settings"] if s["name"] == "one"] != [[[None], [None]]]


def test_ranking_of_version_0_1_resumes(plan: str, tmp_path: Path) -> None:
    """Version 0.1 stored a setting's proxy in a field of its kind, and no kind with the measurements."""
    out = tmp_path / "ranking"
    rank(*SMALL, "--candidates", "2", "--seeds", "1", "--plan", plan, "--out", str(out))
    before = report(out)
    config, measured = (json.loads((out / name).read_text()) for name in ("ranking.json", "measured.json"))
    for setting in (config["plan"]["reference"], *config["plan"]["settings"].values()):
        proxy = setting.pop("proxy")
        setting[proxy.pop("kind")] = proxy
    (out / "ranking.json").write_text(json.dumps(config))
    proxy_kinds = [setting.pop("kind") for setting in measured.values()]
    assert proxy_kinds == ["short_train"] * 3
    (out / "measured.json").write_text(json.dumps(measured))
    rank(str(out))
    assert report(out) == before


def test_plan_settings_inherit_from_its_base(plan: str, tmp_path: Path) -> None:
    out = tmp_path / "ranking"
    rank(*SMALL, "--candidates", "2", "--seeds", "1", "--plan", plan, "--out", str(out))
    settings = RunDirectory.open(out, RankConfig).config.plan.all
    reference, once = settings["reference"].proxy, settings["once"].proxy
    assert isinstance(reference, ShortTrainConfig)
    assert isinstance(once, ShortTrainConfig)
    assert (reference.steps, reference.rungs, reference.image_size) == (4, 2, 64)
    assert (once.steps, once.recipe.learning_rate, once.recipe.batch_size) == (1, 0.01, 2)
    assert (once.scale, once.recipe.flip) == (reference.scale, False)
    assert (reference.scale.width, reference.scale.output_width, reference.scale.head_depth) == (0.0625, 32, 0)


def _images_seen(config: ShortTrainConfig) -> int:
    return config.steps * config.recipe.batch_size


@pytest.mark.parametrize("name", ["digits", "boxes"])
def test_default_plan_fits_into_memory(name: str) -> None:
    proxy = preset(name).proxy
    plan = default_plan(proxy)
    assert plan.settings["search"].proxy == proxy
    assert isinstance(plan.reference.proxy, ShortTrainConfig)
    assert _images_seen(plan.reference.proxy) >= 10 * _images_seen(proxy)
    for setting in plan.all.values():
        size, scale = setting.proxy.image_size, setting.proxy.scale
        require_memory(cost(SPACES["joint"].build(first_choice), scale, image_size=size, num_classes=10))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--candidates", "1"], "greater than or equal to 2"),
        (["--candidates", "10"], "'dsa' yields 9 candidates, not 10"),
        (["--vary", "fuse"], "no decision 'fuse'"),
        (["--space", "joint", "--vary", "fues,msfm"], "did you mean 'fuse'"),
        (["--require-tau", "2"], "less than or equal to 1"),
        (["--seeds", "1001"], "less than or equal to 1000"),
        (["--plan", "none.json"], "none.json: No such file"),
        (["--plan", "[]"], "plan.json: should be an object with fields"),
        (["--plan", "{"], "plan.json: "),
        (["--plan", '{"settings": {"a": {"short_train": {"stepz": 3}}}}'], "settings.a.short_train.stepz"),
        (["--plan", '{"settings": {"a": 3}}'], "settings.a"),
        (["--plan", '{"settings": {"a": {}}}'], "give one of short_train, zero_cost, cost and own"),
        (["--plan", '{"settings": {"a": {"zero_cost": {"scores": ["zenn"]}}}}'], "did you mean 'zen'"),
        (["--plan", '{"base": {"scale": {"output_width": 48}}, "settings": {"a": {"cost": {}}}}'], "output_width"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_invalid_arguments_exit_with_2_and_create_no_run(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if flags[0] == "--plan" and flags[1][0] in "[{":
        (tmp_path / "plan.json").write_text(flags[1])
        flags = ["--plan", "plan.json"]
    rank(*SMALL, *FEW, "--out", "never", *flags, code=2)
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not Path("never").exists()


def test_directory_of_a_search_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text("{}")
    rank(str(tmp_path), code=2)
    assert "ranking.json" in capsys.readouterr().err


@pytest.mark.ray
def test_ray_workers_use_the_setting_of_each_job(plan: str, tmp_path: Path, ray_address: str) -> None:
    """Each setting is scored with its own proxy."""
    flags = ("--candidates", "2", "--seeds", "1", "--plan", plan, "--out", str(tmp_path / "ranking"))
    rank(*SMALL[2:], "--ray-address", ray_address, *flags)
    trials = RunDirectory.open(tmp_path / "ranking", RankConfig).store().trials()
    reports = {tuple(trial.key.split("/")[1:]): len(trial.reports) for trial in trials}
    assert reports == {("reference", "0"): 2, ("short", "1000"): 1, ("once", "1000"): 1}
    assert len(trials) == 6
