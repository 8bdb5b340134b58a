"""Searches with each built-in proxy, `--by NAME`."""

import json
from pathlib import Path

import pytest

from experiments.commands.search_flags import parse_search
from experiments.errors import UsageError
from experiments.rank.config import RankConfig
from experiments.rank.plans import default_plan
from experiments.run.config import SearchConfig
from experiments.run.presets import PRESETS, preset
from experiments.run.runner import build_runner, gpus_per_trial
from nas.search.runners.pool import PoolRunner
from proxies.config import ShortTrainConfig, ZeroCostConfig
from proxies.cost import CostConfig
from proxies.registry import PROXIES
from tests.support import nas

SMALL = ("--digits.train-images", "8", "--digits.val-images", "2", "--concurrent", "1")


def test_search_by_cost_runs_in_the_pool_and_resumes(folder: Path) -> None:
    flags = ("--by", "cost", "--cost.image-size", "64", *SMALL, "--trials")
    nas("search", *flags, "12", "--out", "cost", cwd=folder)
    found = json.loads(nas("inspect", "cost", "--json", cwd=folder).stdout)
    assert {t["state"] for t in found["trials"]} == {"finished"}
    assert all(set(t["scores"]) == set(CostConfig().offered) for t in found["trials"])
    least = min(found["trials"], key=lambda t: (t["scores"]["gmacs"], t["number"]))
    assert found["best"] == least["number"]
    priced = json.loads(nas("cost", "cost", "--classes", "10", "--json", "--image-size", "64", cwd=folder).stdout)
    assert priced["macs"] / 1e9 == least["scores"]["gmacs"], (
        "the genotypes of a run are costed at the scale of its proxy"
    )
    config = json.loads((folder / "cost" / "config.json").read_text())
    (folder / "cost" / "config.json").write_text(json.dumps({**config, "trials": 16}))
    nas("resume", "cost", cwd=folder)
    after = json.loads(nas("inspect", "cost", "--json", cwd=folder).stdout)["trials"]
    assert after[:12] == found["trials"]
    assert len({t["key"] for t in after}) == 16


@pytest.mark.parametrize(("strategy", "warns"), [("evolution", True), ("nsga2", False)])
def test_single_objective_strategy_warns_of_further_objectives(folder: Path, strategy: str, warns: bool) -> None:
    flags = ("--by", "cost", *SMALL, "--runner", "local", "--objectives", "mparams", "gmacs", "--trials", "1")
    output = nas("search", *flags, "--strategy.name", strategy, "--out", f"by {strategy}", cwd=folder).stdout
    assert (f"{strategy} searches by mparams alone" in output) == warns


def test_search_by_zero_cost_ranks_by_its_first_score(folder: Path) -> None:
    flags = ("--by", "zero_cost", "--zero-cost.scores", "entropy", "synflow", "--zero-cost.batch-size", "2")
    nas("search", *flags, *SMALL, "--runner", "local", "--trials", "3", "--space", "dsa", "--out", "zero", cwd=folder)
    found = json.loads(nas("inspect", "zero", "--json", cwd=folder).stdout)
    best = max(found["trials"], key=lambda t: t["scores"]["entropy"])
    assert found["best"] == best["number"]
    assert {"entropy", "synflow", "gmacs"} == set(best["scores"])
    table = nas("inspect", "zero", cwd=folder).stdout
    assert table.index("entropy") < table.index("gmacs") < table.index("synflow"), "objectives are the first columns"


def test_search_with_too_few_images_creates_no_run(folder: Path) -> None:
    output = nas("search", "--by", "zero_cost", *SMALL, "--out", "never", cwd=folder, code=2).stderr
    assert "give a smaller batch_size" in output
    assert not (folder / "never").exists()


@pytest.mark.parametrize(
    ("by", "runner", "runs_on"),
    [("short_train", None, "ray"), ("zero_cost", None, "pool"), ("cost", None, "pool"), ("cost", "local", "local")],
)
def test_default_runner_depends_on_the_proxy(by: str, runner: str | None, runs_on: str) -> None:
    assert SearchConfig.model_validate({"by": by, "runner": runner}).runs_on == runs_on


def test_ranking_runs_on_ray_by_default() -> None:
    assert RankConfig(plan=default_plan(ShortTrainConfig())).runs_on == "ray"


def test_pool_runner_has_the_configured_workers_and_time_limit() -> None:
    config = SearchConfig(proxy=CostConfig(), concurrent=3, time_limit=7.0)
    assert build_runner(config, steps=1) == PoolRunner(workers=3, time_limit=7.0)
    assert gpus_per_trial(config) == 0
    assert gpus_per_trial(SearchConfig(proxy=CostConfig(), gpus_per_trial=0.5)) == 0.5


@pytest.mark.parametrize("name", PRESETS)
def test_preset_has_one_scale_and_image_size_for_all_proxies(name: str) -> None:
    start = preset(name)
    searches = [parse_search(["--by", kind], start) for kind in PROXIES]
    assert [search.proxy.kind for search in searches] == list(PROXIES)
    assert {(search.proxy.scale, search.proxy.image_size) for search in searches} == {
        (start.proxy.scale, start.proxy.image_size)
    }
    assert searches[0] == start
    assert [search.retraining for search in searches] == [None, start.proxy, start.proxy]
    zero_cost = searches[1].proxy
    assert isinstance(zero_cost, ZeroCostConfig)
    assert zero_cost.scores == ("naswot",) != ZeroCostConfig().scores


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--by cost --proxy.steps 8", r"--proxy\.\* configures short_train, which is not in use: with --by cost give"),
        ("--cost.image-size 64", r"--cost\.\* configures cost, .* with --by short_train give --proxy\.\*"),
        ("--by costs", "--by: no proxy 'costs'; did you mean 'cost'"),
        (
            "--strategy.pool 8 --strategy.name evolution",
            "--strategy.pool configures guided, not evolution: leave it out",
        ),
        ("--strategy.population 8", "--strategy.population configures evolution and nsga2, not guided: leave it out"),
        ("--strategy.name gided", "strategy: .*no strategy 'gided'; did you mean 'guided'"),
        ("--objectives ap latency_ms", "latency_ms is only measured with --proxy.latency: give that as well"),
    ],
)
def test_flag_without_effect_is_refused(flags: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_search(flags.split(), preset("digits"))
