"""The contract of every runner."""

from collections.abc import Iterator

import pytest

from nas.search.runners import RUNNERS, Resources
from nas.search.types import Job, Report, Runner, Scores, State
from tests.unit.search.test_ray_runner import Journal

names = [pytest.param(name, marks=[pytest.mark.ray] if kind.clusters else []) for name, kind in RUNNERS.items()]


@pytest.fixture(params=names)
def runner(request: pytest.FixtureRequest) -> Runner:
    return RUNNERS[request.param].build(Resources(steps=2))


def work(job: Job) -> Iterator[Scores]:
    yield {"ap": 0.5}
    if job.genotype == "faulty":
        raise KeyError("no such level")
    yield {"ap": 1.0}


def test_every_job_ends_once_with_its_reports(runner: Runner) -> None:
    """A fault fails only its job; a job that `tell` stops gets no further report."""
    journal = Journal(["", "faulty", "", ""], stop_at={2: 1})
    ends = journal.run(runner, work)
    assert {number: report.state for number, report in ends.items()} == {
        0: State.finished,
        1: State.failed,
        3: State.finished,
    }
    assert ends[1].error == "KeyError: 'no such level'"
    assert journal.count(2) == 1
    scores = [report.scores for report in journal.reports if report.number == 0 and report.scores]
    assert scores == [{"ap": 0.5}, {"ap": 1.0}]


def test_an_error_of_the_loop_is_raised(runner: Runner) -> None:
    def tell(report: Report) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        runner.run(Journal(["", ""]).ask, work, tell)
