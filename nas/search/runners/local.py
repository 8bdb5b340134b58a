"""Runs jobs one after the other in this process."""

import time
from dataclasses import dataclass

from nas.search.runners import Resources
from nas.search.runners.attempt import carry_out, failure_reason
from nas.search.types import Ask, Report, State, Tell, Work


def build(resources: Resources) -> "LocalRunner":
    """A runner with these resources; only the time limit applies."""
    return LocalRunner(time_limit=resources.time_limit)


@dataclass(frozen=True)
class LocalRunner:
    """Runs jobs sequentially in this process.

    Args:
        time_limit: seconds a trial may take.
    """

    time_limit: float | None = None

    def run(self, ask: Ask, work: Work, tell: Tell) -> None:
        while (job := ask()) is not None:
            start = time.monotonic()
            try:
                carry_out(work, job, tell, time_limit=self.time_limit)
            except SystemExit as error:  # would end the search; in other runners it ends a worker, which is replaced
                seconds = time.monotonic() - start
                tell(Report(job.number, State.failed, seconds=seconds, error=failure_reason(error)))
