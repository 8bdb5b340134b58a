"""Guided search, and the report of `nas inspect` on its predictor."""

import random
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.run.config import SearchConfig
from experiments.run.directory import RunDirectory
from nas.search.strategies import strategy_config
from nas.search.types import State
from search_spaces.choose import sample
from search_spaces.joint import JointSpace


def test_resumed_guided_search_makes_the_same_proposals(tmp_path: Path) -> None:
    """Three trials plus one after a resume equal the four trials of an uninterrupted search."""
    keys = []
    for out, parts in (("whole", [4]), ("parts", [3, 4])):
        run = tmp_path / out
        flags = [
            *("--runner", "local", "--proxy.steps", "2", "--proxy.rungs", "1", "--proxy.scale.head-depth", "1"),
            *("--digits.train-images", "4", "--digits.val-images", "2", "--proxy.image-size", "64"),
            *("--strategy.name", "guided", "--strategy.warm-up", "2", "--strategy.pool", "4"),
        ]
        assert main(["search", "--trials", str(parts[0]), "--out", str(run), *flags]) == 0
        for trials in parts[1:]:
            directory = RunDirectory.open(run, SearchConfig)
            config = directory.config.model_copy(update={"trials": trials})
            (run / "config.json").write_text(config.model_dump_json())
            assert main(["resume", str(run)]) == 0
        keys.append([trial.key for trial in RunDirectory.open(run, SearchConfig).store().trials()])
    assert keys[0] == keys[1]
    assert len(keys[0]) == 4


@pytest.mark.parametrize(("count", "reported"), [(24, True), (11, False)])
def test_inspect_reports_the_rank_correlation_of_the_predictor(
    count: int, reported: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scores are the number of ASFF nodes, which the predictor can learn. Failed trials are not training data."""
    run = RunDirectory.create(SearchConfig(out=tmp_path / "run", strategy=strategy_config("random")), "digits")
    store = run.store()
    for number in range(count + 1):
        member = sample(JointSpace(), random.Random(number))
        genotype = member.value
        trial = store.create(key=genotype.key(), trace=member.trace, genotype=genotype.to_json(), seed=0)
        store.report(trial.number, {"ap": sum(node.fuse.name == "asff" for node in genotype.live) / 20, "gmacs": 1.0})
        store.end(trial.number, State.failed if number == count else State.finished, seconds=1.0)
    assert main(["inspect", str(run.path)]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert (f"Trained on {count} trials, the predictor ranks" in output) == reported
    if reported:
        assert float(output.split("Kendall tau of ")[1].split()[0]) > 0.2
