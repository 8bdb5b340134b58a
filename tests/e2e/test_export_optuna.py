"""`nas export-optuna`: the study as Optuna and its dashboard read it."""

import json
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from experiments.errors import UsageError
from experiments.run.config import SearchConfig
from experiments.run.directory import RunDirectory
from experiments.run.optuna_export import export
from nas.cost import cost
from nas.search.objectives import pareto_front
from nas.search.store import Store
from nas.search.types import Direction, State, Trial
from proxies.budget import Limits
from search_spaces.choose import Chooser, TraceError, sample
from search_spaces.genotype import Genotype
from search_spaces.joint import JointSpace
from tests.support import nas

STATES = [State.finished, State.finished, State.stopped, State.failed, State.finished, State.finished, State.running]
OPTUNA_STATES = {State.finished: "COMPLETE", State.stopped: "PRUNED", State.failed: "FAIL"}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory[SearchConfig]:
    """A run in the joint space with six ended trials and a running one."""
    run = RunDirectory.create(SearchConfig(out=tmp_path / "run"), "digits")
    fill(run.store())
    return run


def fill(store: Store) -> None:
    rng = random.Random(0)
    for number, state in enumerate(STATES):
        member = sample(JointSpace(), random.Random(number))
        store.create(key=member.value.key(), trace=member.trace, genotype=member.value.to_json(), seed=7)
        for _ in range(2):
            store.report(number, {"ap": rng.random(), "gmacs": 0.05 + number / 100, "ap50": rng.random()})
        if state.ended:
            store.end(number, state, seconds=number + 0.5, error="too hot" if state is State.failed else None)


def study_in(storage: object, name: str = "run") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=storage)  # type: ignore[arg-type]


def test_exported_study_matches_the_run(run: RunDirectory[SearchConfig], tmp_path: Path) -> None:
    output = nas("export-optuna", "run", "--storage", "sqlite:///optuna.db", cwd=tmp_path).stdout
    assert "6 trials added, 0 already there" in output
    study = study_in(f"sqlite:///{tmp_path}/optuna.db")
    ended = [trial for trial in run.store().trials() if trial.state.ended]
    assert study.metric_names == ["ap", "gmacs"]
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert len(study.trials) == len(ended) == 6
    for ours, theirs in zip(ended, study.trials, strict=True):
        assert theirs.state.name == OPTUNA_STATES[ours.state]
        assert theirs.values == (ours.scores and [ours.scores["ap"], ours.scores["gmacs"]])
        assert theirs.intermediate_values == {i + 1: report["ap"] for i, report in enumerate(ours.reports)}
        assert {name: plain(value) for name, value in theirs.params.items()} == ours.trace
        assert Genotype.from_json(theirs.user_attrs["genotype"]).key() == ours.key == theirs.user_attrs["key"]
        assert {name: theirs.user_attrs[name] for name in ("trial", "seed", "seconds")} == {
            "trial": ours.number,
            "seed": 7,
            "seconds": ours.seconds,
        }
        assert theirs.duration is not None
        assert theirs.duration.total_seconds() == pytest.approx(ours.seconds)
        assert theirs.user_attrs.get("error") == ours.error
        assert theirs.user_attrs.get("ap50") == (ours.scores or {}).get("ap50")


def plain(value: Any) -> Any:
    found = json.loads(value) if isinstance(value, str) and value.startswith("[") else value
    return tuple(found) if isinstance(found, list) else found


@pytest.mark.filterwarnings("ignore:.*(less than 2 trials|experimental|low `target`)")
def test_optuna_analyses_the_study(run: RunDirectory[SearchConfig], tmp_path: Path) -> None:
    """Pareto front, importances and plots."""
    nas("export-optuna", "run", "--storage", "optuna.log", "--study", "mine", cwd=tmp_path)
    journal = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / "optuna.log")))
    study = study_in(journal, "mine")
    front = pareto_front(run.store().trials(), {"ap": "max", "gmacs": "min"})
    assert {trial.user_attrs["trial"] for trial in study.best_trials} == set(front)
    importances = optuna.importance.get_param_importances(study, target=lambda trial: trial.values[0])
    assert importances.keys() <= {name for trial in study.trials for name in trial.params}
    axes = optuna.visualization.matplotlib.plot_pareto_front(study)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("ap", "gmacs")


def test_repeated_export_adds_only_new_trials(run: RunDirectory[SearchConfig], tmp_path: Path) -> None:
    again = ("export-optuna", "run", "--storage", "optuna.log")
    nas(*again, cwd=tmp_path)
    assert "0 trials added, 6 already there" in nas(*again, cwd=tmp_path).stdout
    store = run.store()
    store.restart(store.trials()[6])
    store.report(6, {"ap": 0.9, "gmacs": 0.1})
    store.end(6, State.finished, seconds=1.0)
    assert "1 trials added, 6 already there" in nas(*again, cwd=tmp_path).stdout
    assert "0 trials added, 7 already there" in nas(*again, cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--storage", "nodb://x"), "nodb"),
        (("--storage", "sqlite:////nowhere/optuna.db"), "unable to open database file"),
        (("--storage", "/nowhere/optuna.log"), "No such file or directory"),
        (("--storage", "run/study.db"), "not an Optuna journal"),
        (("--storage", "sqlite:///run/study.db"), "it holds a store of ours"),
        (("--storage", "other.log"), "give another --study"),
        (("--storage", "other.log", "--study", "fewer"), "has other objectives than ap, gmacs"),
    ],
)
def test_unusable_storage_is_refused(
    run: RunDirectory[SearchConfig], flags: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    other = Trial(0, State.finished, "x", {}, "{}", 0, ({"ap": 1.0, "gmacs": 1.0},))
    export([other], {"ap": "max", "gmacs": "min"}, Fixed(), str(tmp_path / "other.log"), "run")
    export([other], {"ap": "max"}, Fixed(), str(tmp_path / "other.log"), "fewer")
    assert message in nas("export-optuna", "run", *flags, cwd=tmp_path, code=2).stderr
    assert len(run.store().trials()) == len(STATES)


def test_run_without_an_ended_trial_is_refused(tmp_path: Path) -> None:
    RunDirectory.create(SearchConfig(out=tmp_path / "run"), "digits")
    assert "no ended trial" in nas("export-optuna", "run", "--storage", "x.log", cwd=tmp_path, code=2).stderr


@dataclass(frozen=True)
class Fixed:
    """A space without decisions."""

    name: str = "fixed"

    def build(self, choose: Chooser, /) -> None:
        pass


@dataclass(frozen=True)
class Mixed:
    """Decisions with tuple, number, boolean and text options; one is conditional."""

    name: str = "mixed"

    def build(self, choose: Chooser, /) -> None:
        if choose("layers", ((1, 2), (2,), ())):
            choose("rate", (1, 1.5, True, "auto"))


ONE: Mapping[str, Direction] = {"ap": "max"}


def trial(number: int, trace: dict[str, Any], ap: float = 0.0, gmacs: float = 1.0) -> Trial:
    reports = ({"ap": 0.1, "gmacs": gmacs}, {"ap": ap, "gmacs": gmacs})
    return Trial(number, State.finished, f"key {number}", trace, "{}", 0, reports, 1.0)


def test_options_of_any_type_become_optuna_params(tmp_path: Path) -> None:
    where = f"sqlite:///{tmp_path}/optuna.db"
    trials = [
        trial(0, {"layers": ()}, ap=0.5),
        trial(1, {"layers": (1, 2), "rate": 1.5}, ap=0.7),
        trial(2, {"layers": (2,), "rate": "auto"}, ap=0.6),
    ]
    assert export(trials, ONE, Mixed(), where, "mixed") == 3
    study = study_in(where, "mixed")
    assert [t.params for t in study.trials] == [
        {"layers": "[]"},
        {"layers": "[1, 2]", "rate": 1.5},
        {"layers": "[2]", "rate": "auto"},
    ]
    assert study.best_trial.user_attrs["key"] == "key 1"
    table = study.trials_dataframe()
    assert list(table["value_ap"]) == [0.5, 0.7, 0.6]
    assert list(table["user_attrs_trial"]) == [0, 1, 2]


def test_limits_are_exported_as_constraints(tmp_path: Path) -> None:
    """Every trial, failed ones included, has `constraints` as the dashboard reads them: at most 0 within the limits."""
    limits = Limits(gmacs=(0.03, 0.044), peak_memory_mib=(9.0,))
    run = RunDirectory.create(SearchConfig(out=tmp_path / "run", limits=limits), "digits")
    fill(run.store())
    nas("export-optuna", "run", "--storage", "sqlite:///optuna.db", cwd=tmp_path)
    size = run.config.proxy
    for trial in study_in(f"sqlite:///{tmp_path}/optuna.db").trials:
        genotype = Genotype.from_json(trial.user_attrs["genotype"])
        costs = cost(genotype, size.scale, image_size=size.image_size, num_classes=10)
        gmacs, mib = costs.macs / 1e9, costs.peak_memory / 2**20
        assert trial.system_attrs["constraints"] == pytest.approx([gmacs - 0.044, 0.03 - gmacs, mib - 9])


def test_best_trial_satisfies_the_constraints(tmp_path: Path) -> None:
    where = str(tmp_path / "optuna.log")
    trials = [replace(trial(n, {"layers": ()}, ap=n), genotype=f"{n}") for n in range(3)]
    export(trials, ONE, Mixed(), where, "mixed", constraints=lambda genotype: [float(genotype) - 1])
    study = study_in(optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(where)), "mixed")
    assert study.best_trial.user_attrs["trial"] == 1


def test_options_outside_the_space_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="'layers', the trial has \\(9,\\)"):
        export([trial(0, {"layers": (9,)})], ONE, Mixed(), str(tmp_path / "optuna.log"), "mixed")


def test_study_of_another_run_is_refused(tmp_path: Path) -> None:
    where = str(tmp_path / "optuna.log")
    export([trial(0, {"layers": ()})], ONE, Mixed(), where, "mixed")
    with pytest.raises(UsageError, match="not this run's"):
        export([], ONE, Mixed(), where, "mixed")


def test_optuna_dashboard_shows_the_study(run: RunDirectory[SearchConfig], tmp_path: Path) -> None:
    pytest.importorskip("optuna_dashboard", reason="needs optuna-dashboard")
    nas("export-optuna", "run", "--storage", "sqlite:///optuna.db", cwd=tmp_path)
    with dashboard("sqlite:///optuna.db", tmp_path) as api:
        (summary,) = api("studies")["study_summaries"]
        assert (summary["study_name"], summary["directions"]) == ("run", ["maximize", "minimize"])
        study = api(f"studies/{summary['study_id']}")
    assert study["objective_names"] == ["ap", "gmacs"]
    assert study["has_intermediate_values"]
    assert [t["state"] for t in study["trials"]] == ["Complete", "Complete", "Pruned", "Fail", "Complete", "Complete"]


@contextmanager
def dashboard(storage: str, cwd: Path) -> Iterator[Any]:
    """Run the dashboard; yields a function from an API path to the JSON document."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start = "from optuna_dashboard._cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", start, storage, "--port", str(port)], cwd=cwd)
    try:
        yield lambda path: _get(f"http://127.0.0.1:{port}/api/{path}")
    finally:
        process.kill()
        process.wait()


def _get(url: str) -> Any:
    for _ in range(1500):
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            time.sleep(0.2)
    raise AssertionError(f"no answer from {url} in five minutes")
