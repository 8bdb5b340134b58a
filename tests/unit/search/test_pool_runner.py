"""The runner with a pool of worker processes."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nas.search.runners import pool as pool_runner
from nas.search.runners.pool import PoolRunner
from nas.search.store import Store
from nas.search.types import Job, Report, Scores, State, Work
from tests.unit.search.searches import ToySearch
from tests.unit.search.test_ray_runner import Journal, check_stopped_jobs_report_no_further
from tests.unit.search.toys import DigitSpace, FakeTime, misbehave


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    assert not multiprocessing.active_children()


def test_a_search_ends_with_the_requested_trials(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "study.db"))
    result = ToySearch(
        store=store, trials=16, space=DigitSpace(3, base=4, order=False), runner=PoolRunner(workers=2)
    ).run()
    assert [trial.number for trial in store.trials()] == list(range(16))
    assert {trial.state for trial in store.trials()} == {State.finished}
    assert all(len(trial.reports) == 2 and trial.seconds is not None for trial in store.trials())
    assert result.best is not None


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fault_fails_only_its_trial(batch: int, capfd: pytest.CaptureFixture[str]) -> None:
    jobs = ["", "nan", "raise", "die", "memory", "time is up", "", "die", ""]
    ends = Journal(jobs).run(PoolRunner(workers=2, batch=batch, time_limit=1000), misbehave)
    assert [ends[n].state for n in (0, 6, 8)] == [State.finished] * 3
    assert [ends[n].error for n in (1, 2, 3, 4, 5, 7)] == [
        "step 2: ap is nan",
        "KeyError: 'no such\\nlevel'",
        "worker died: SIGKILL",
        "out of memory",
        "time limit of 1000 s exceeded",
        "worker died: SIGKILL",
    ]
    assert capfd.readouterr() == ("", ""), "the runner prints nothing"


def test_a_job_that_exceeds_its_memory_limit_fails_alone() -> None:
    ends = Journal(["limit", "", ""]).run(PoolRunner(workers=1), misbehave)
    assert (ends[0].state, ends[0].error) == (State.failed, "out of memory")
    assert [ends[n].state for n in (1, 2)] == [State.finished] * 2


def test_a_worker_that_hangs_in_native_code_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_runner, "GRACE_S", 0.2)
    ends = Journal(["hang in native code", "", ""]).run(PoolRunner(workers=1, time_limit=2), misbehave)
    assert ends[0].error == "time limit of 2 s exceeded"
    assert ends[0].seconds > 2
    assert [ends[n].state for n in (1, 2)] == [State.finished] * 2


@dataclass(frozen=True)
class Meet:
    """Waits until two processes run a job, then scores its process id and number of threads."""

    folder: Path

    def __call__(self, job: Job) -> Iterator[Scores]:
        (self.folder / str(os.getpid())).touch()
        while len([*self.folder.iterdir()]) < 2:
            time.sleep(0.02)
        yield {"pid": os.getpid(), "threads": float(os.environ["OMP_NUM_THREADS"])}
        time.sleep(0.02)


def test_workers_are_kept_and_share_the_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    journal = Journal([""] * 20)
    journal.run(PoolRunner(workers=2, batch=2, time_limit=100), Meet(tmp_path))
    seen = [report.scores for report in journal.reports if report.scores]
    pids = [scores["pid"] for scores in seen]
    assert len(pids) == 20
    assert len(set(pids)) == 2
    assert {scores["threads"] for scores in seen} == {1}
    assert os.environ["OMP_NUM_THREADS"] == "7"


@dataclass(frozen=True)
class Log:
    """Logs each job; job 2 kills its worker."""

    folder: Path

    def __call__(self, job: Job) -> Iterator[Scores]:
        with (self.folder / "log").open("a") as file:
            file.write(f"{job.number}\n")
        if job.number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        yield {"ap": 0.0}


def test_another_worker_runs_a_dead_worker_s_remaining_jobs_once(tmp_path: Path) -> None:
    ends = Journal([""] * 7).run(PoolRunner(workers=1, batch=5), Log(tmp_path))
    assert [n for n, end in ends.items() if end.state is State.failed] == [2]
    assert (tmp_path / "log").read_text().split() == [str(n) for n in range(7)]


def test_a_batch_is_told_before_the_next_one_is_asked_for() -> None:
    journal = Journal([""] * 9)
    asked: list[int] = []

    def tell(report: Report) -> bool:
        asked.append(journal.asked)
        return False

    PoolRunner(workers=1, batch=3).run(journal.ask, misbehave, tell)
    assert asked[:9] == [3] * 9, "a batch is 3 jobs with 3 reports each"


@pytest.mark.parametrize("where", ["ask", "tell"])
def test_errors_of_ask_and_tell_are_raised(where: str) -> None:
    journal = Journal([""] * 9)

    def ask() -> Job | None:
        if where == "ask" and journal.asked == 3:
            raise OSError("disk full")
        return journal.ask()

    def tell(report: Report) -> bool:
        if where == "tell":
            raise OSError("disk full")
        return False

    with pytest.raises(OSError, match="disk full"):
        PoolRunner(workers=2, batch=2).run(ask, misbehave, tell)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_stopped_job_reports_no_further(batch: int) -> None:
    check_stopped_jobs_report_no_further(PoolRunner(workers=1, batch=batch))


def test_the_time_limit_excludes_waiting_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, journal = FakeTime(), Journal(["", ""])
    monkeypatch.setattr(pool_runner, "time", clock)

    def tell(report: Report) -> bool:
        clock.now += 2000
        return journal.tell(report)

    PoolRunner(workers=1, batch=1, time_limit=1000).run(journal.ask, misbehave, tell)
    assert {end.state for end in journal.ends().values()} == {State.finished}


def test_a_keyboard_interrupt_is_raised() -> None:
    def tell(report: Report) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        PoolRunner(workers=1).run(Journal([""] * 4).ask, misbehave, tell)


class Unloadable:
    """Work that pickles but does not unpickle."""

    def __call__(self, job: Job) -> Iterator[Scores]:
        yield {}

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return int, ("no number",)


def test_work_that_no_worker_can_load_ends_the_run() -> None:
    with pytest.raises(RuntimeError, match="a worker could not load its work: ValueError: invalid literal"):
        PoolRunner(workers=1).run(Journal([""]).ask, Unloadable(), lambda report: False)


@dataclass(frozen=True)
class Unlucky:
    """Work that kills the first `deaths` workers that load it."""

    file: Path
    deaths: int

    def __reduce__(self) -> tuple[object, tuple[Path, int]]:
        return die_while_loading, (self.file, self.deaths)


def die_while_loading(file: Path, deaths: int) -> Work:
    with file.open("a+") as marks:
        marks.write(".")
        marks.seek(0)
        died = len(marks.read())
    if died <= deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return misbehave


def test_a_worker_that_dies_while_it_starts_is_replaced(tmp_path: Path) -> None:
    ends = Journal(["", ""]).run(PoolRunner(workers=1), Unlucky(tmp_path / "deaths", 2))
    assert [ends[n].state for n in (0, 1)] == [State.finished] * 2


def test_workers_that_die_while_they_start_raise(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="workers cannot start, 3 in a row: worker died: SIGKILL"):
        PoolRunner(workers=1).run(Journal([""]).ask, Unlucky(tmp_path / "deaths", 99), lambda report: False)


def test_a_run_without_jobs_starts_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pool_runner, "_Worker")
    PoolRunner().run(lambda: None, misbehave, lambda report: False)
