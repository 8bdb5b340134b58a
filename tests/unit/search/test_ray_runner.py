"""The runner on Ray Tune: the tests share one cluster and connect to it separately."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.search.halving.scheduler import SchedulerConfig
from nas.search.store import Store
from nas.search.types import Job, Report, Runner, Scores, State, Work
from tests.unit.search.driver import wait_until
from tests.unit.search.searches import ToySearch
from tests.unit.search.toys import DigitSpace, SumProxy, misbehave

pytestmark = pytest.mark.ray

MakeRunner = Callable[..., Runner]


@pytest.fixture
def make(ray_address: str) -> MakeRunner:
    from nas.search.runners.ray import RayRunner

    def make_runner(**settings: Any) -> Runner:
        return RayRunner(**{"steps": 2, "address": ray_address} | settings)

    return make_runner


@dataclass
class Journal:
    """Hands out jobs and records their reports; stops a job in `stop_at` after that many reports."""

    jobs: list[str]
    stop_at: Mapping[int, int] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    asked: int = 0

    def ask(self) -> Job | None:
        self.asked += 1
        return Job(self.asked - 1, self.jobs[self.asked - 1], 0) if self.asked <= len(self.jobs) else None

    def tell(self, report: Report) -> bool:
        self.reports.append(report)
        return self.count(report.number) == self.stop_at.get(report.number)

    def count(self, number: int) -> int:
        return sum(report.number == number for report in self.reports)

    def ends(self) -> dict[int, Report]:
        ends = {report.number: report for report in self.reports if report.state.ended}
        assert len(ends) == sum(report.state.ended for report in self.reports), "each job ends once"
        return ends

    def run(self, runner: Runner, work: Work) -> dict[int, Report]:
        runner.run(self.ask, work, self.tell)
        return self.ends()


def test_a_search_ends_with_the_requested_trials(make: MakeRunner, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "study.db"))
    result = ToySearch(store=store, trials=16, space=DigitSpace(3, base=4, order=False), runner=make()).run()
    assert [trial.number for trial in store.trials()] == list(range(16))
    assert {trial.state for trial in store.trials()} == {State.finished}
    assert all(len(trial.reports) == 2 and trial.seconds is not None for trial in store.trials())
    assert result.best is not None


def test_a_fault_fails_only_its_trial(make: MakeRunner, capfd: pytest.CaptureFixture[str]) -> None:
    jobs = ["", "nan", "raise", "die", "memory", "time is up", "", "die", ""]
    ends = Journal(jobs).run(make(time_limit=1000), misbehave)
    assert [ends[n].state for n in (0, 6, 8)] == [State.finished] * 3
    assert ends[1].error == "step 2: ap is nan"
    assert ends[2].error == "KeyError: 'no such\\nlevel'"
    assert ends[4].error == "out of memory"
    assert ends[5].error == "time limit of 1000 s exceeded"
    for number in (3, 7):
        assert ends[number].state is State.failed
        assert (ends[number].error or "").startswith("worker died: ")
        assert "\n" not in (ends[number].error or "")
    assert capfd.readouterr() == ("", ""), "the runner prints nothing"


def test_a_worker_that_hangs_in_native_code_is_killed(make: MakeRunner) -> None:
    ends = Journal(["hang in native code", ""]).run(make(time_limit=2), misbehave)
    assert ends[0].error == "time limit of 2 s exceeded"
    assert ends[1].state is State.finished


@pytest.mark.parametrize("where", ["ask", "tell"])
def test_errors_of_ask_and_tell_are_raised(make: MakeRunner, where: str) -> None:
    journal = Journal([""] * 9)

    def ask() -> Job | None:
        if where == "ask" and journal.asked == 3:
            raise OSError("disk full")
        return journal.ask()

    def tell(report: Report) -> bool:
        journal.tell(report)
        if where == "tell" and report.state.ended and len(journal.ends()) == 2:
            raise OSError("disk full")
        return False

    with pytest.raises(OSError, match="disk full"):
        make().run(ask, misbehave, tell)


def test_a_keyboard_interrupt_is_raised(make: MakeRunner) -> None:
    def tell(report: Report) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make().run(Journal([""] * 4).ask, misbehave, tell)


@dataclass(frozen=True)
class Look:
    """Scores describe the process that runs the job, and the array it received."""

    pixels: np.ndarray

    def __call__(self, job: Job) -> Iterator[Scores]:
        yield {"ap": float(self.pixels.sum()), "pid": os.getpid(), "owned": float(self.pixels.flags.owndata)}
        home = Path.cwd() == Path(job.genotype)
        yield {"ap": 0.0, "threads": float(os.environ["OMP_NUM_THREADS"]), "home": float(home)}


def test_workers_are_kept_and_share_arrays(make: MakeRunner) -> None:
    journal = Journal([str(Path.cwd())] * 8)
    journal.run(make(), Look(np.ones(1_000_000, np.uint8)))
    first = [report.scores for report in journal.reports if report.scores and "pid" in report.scores]
    second = [report.scores for report in journal.reports if report.scores and "home" in report.scores]
    assert {(scores["ap"], scores["owned"]) for scores in first} == {(1e6, 0.0)}, "a view of shared memory"
    assert len({scores["pid"] for scores in first}) <= 2
    assert {(scores["threads"], scores["home"]) for scores in second} == {(1.0, 1.0)}


def test_a_trial_that_exceeds_the_cluster_is_refused(make: MakeRunner) -> None:
    with pytest.raises(RuntimeError, match=r"a trial asks for .*'CPU': 64"):
        make(cpus_per_trial=64).run(Journal([""]).ask, misbehave, print)


class Unloadable:
    """Work that pickles but does not unpickle."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return missing_module, ("nowhere",)


def missing_module(name: str) -> None:
    raise ModuleNotFoundError(f"No module named {name!r}")


def test_the_error_says_why_workers_cannot_start(make: MakeRunner) -> None:
    with pytest.raises(RuntimeError, match=r"a Ray worker could not start: .*No module named 'nowhere'"):
        make().run(Journal([""] * 3).ask, Unloadable(), print)


@dataclass(frozen=True)
class LoadsOnce:
    """Work that one worker loads; every other worker fails to load it after the first report."""

    folder: Path

    def __reduce__(self) -> tuple[Callable[[Path], object], tuple[Path]]:
        return load_once, (self.folder,)


def load_once(folder: Path) -> object:
    try:
        (folder / "loaded").touch(exist_ok=False)
    except FileExistsError:
        wait_until((folder / "heard").exists)
        (folder / "failed").touch()
        missing_module("here")
    return WaitForAnother(folder)


@dataclass(frozen=True)
class WaitForAnother:
    """Continues after its first report once another worker has failed to load the work."""

    folder: Path

    def __call__(self, job: Job) -> Iterator[Scores]:
        yield {"ap": 0.0}
        (self.folder / "heard").touch()
        wait_until((self.folder / "failed").exists)
        yield {"ap": 1.0}


def test_a_worker_that_fails_to_start_fails_no_job_if_another_starts(make: MakeRunner, tmp_path: Path) -> None:
    ends = Journal([""] * 5).run(make(), LoadsOnce(tmp_path))
    assert [ends[n].state for n in range(5)] == [State.finished] * 5


class Deadly:
    """Work that kills the worker that loads it."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return os._exit, (1,)


def test_workers_that_die_while_they_start_raise(make: MakeRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.search.runners import ray as ray_runner

    monkeypatch.setattr(ray_runner, "_MOST_STILLBORN", 2)
    with pytest.raises(RuntimeError, match="a Ray worker could not start: "):
        make().run(Journal([""] * 3).ask, Deadly(), print)


def test_a_stopped_job_reports_no_further(make: MakeRunner) -> None:
    check_stopped_jobs_report_no_further(make(concurrent=1))


def check_stopped_jobs_report_no_further(runner: Runner) -> None:
    """Jobs are stopped at their first step and at their last; other jobs are unaffected."""
    journal = Journal(["", "", "hang", "raise", "", "die"], stop_at={1: 1, 2: 1, 3: 1, 4: 2, 5: 1})
    assert set(journal.run(runner, misbehave)) == {0}
    assert [journal.count(number) for number in range(6)] == [3, 1, 1, 1, 2, 1]


@pytest.mark.parametrize("method", ["asha", "hyperband"])
def test_a_search_stops_trials_by_its_scheduler(make: MakeRunner, method: str, tmp_path: Path) -> None:
    first, resumed = Store(str(tmp_path / "study.db")), Store(str(tmp_path / "study.db"))
    config = SchedulerConfig(method=method, reduction=2.0)
    proxy = SumProxy(steps=4)
    runner = make(steps=4, concurrent=1)
    ToySearch(store=first, trials=9, proxy=proxy, runner=runner, scheduler=config).run()
    ToySearch(store=resumed, trials=18, proxy=proxy, runner=runner, scheduler=config).run()
    local = Store("sqlite://")
    ToySearch(store=local, trials=18, proxy=proxy, scheduler=config).run()
    assert [(t.state, t.reports) for t in resumed.trials()] == [(t.state, t.reports) for t in local.trials()]
    assert {t.state for t in local.trials()} == {State.finished, State.stopped}


def test_a_search_on_one_machine_needs_no_cluster() -> None:
    """The only test that starts and stops Ray as a search without an address does."""
    from nas.search.runners.ray import RayRunner

    foreign: list[set[int]] = [open_ports()]
    proxy = SumProxy()
    store = Store("sqlite://")
    runner = RayRunner(proxy.steps)
    ToySearch(store=store, trials=4, proxy=proxy, runner=runner, watch=lambda trial: foreign.append(open_ports())).run()
    assert {trial.state for trial in store.trials()} == {State.finished}
    assert foreign[1] <= foreign[0], "Ray must not accept connections from other machines"


def open_ports() -> set[int]:
    """Ports on which this process and its descendants listen beyond the loopback address."""
    ours = {link for pid in family() for link in sockets(pid)}
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    listening = [fields[1].split(":") for fields in lines if fields[3] == "0A" and f"socket:[{fields[9]}]" in ours]
    return {int(port, 16) for host, port in listening if not host.endswith("0100007F") and host.strip("0") != "1"}


def family() -> set[int]:
    parents: dict[int, int] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process may have ended
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    found = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return found


def sockets(pid: int) -> Iterator[str]:
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                yield str(file.readlink())
