"""Jobs carried out one after the other in this process."""

from collections.abc import Callable
from dataclasses import dataclass

from nas.search.attempt import attempt
from nas.search.types import Job, Report, Work


@dataclass(frozen=True)
class LocalRunner:
    """Runs jobs in turn, without parallelism and without stopping any early.

    Args:
        time_limit: seconds a trial may take.
    """

    time_limit: float | None = None

    def run(self, ask: Callable[[], Job | None], work: Work, tell: Callable[[Report], None]) -> None:
        while (job := ask()) is not None:
            for report in attempt(work, job, time_limit=self.time_limit):
                tell(report)
