"""Jobs carried out one after the other in this process."""

from dataclasses import dataclass

from nas.search.attempt import carry_out
from nas.search.types import Ask, Tell, Work


@dataclass(frozen=True)
class LocalRunner:
    """Runs jobs in turn, without parallelism.

    Args:
        time_limit: seconds a trial may take.
    """

    time_limit: float | None = None

    def run(self, ask: Ask, work: Work, tell: Tell) -> None:
        while (job := ask()) is not None:
            carry_out(work, job, tell, time_limit=self.time_limit)
