"""The work of a search, as it is sent to the workers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nas.search.types import Job, Proxy, Scores


@dataclass(frozen=True)
class Evaluate:
    """The work of a search: read a genotype and let the proxy evaluate it. Sent once to every worker."""

    proxy: Proxy
    device: str
    parse: Callable[[str], Any]
    required: tuple[str, ...] = ()
    """Scores that every report has to hold, in addition to the proxy's objectives."""

    def __call__(self, job: Job) -> Iterator[Scores]:
        candidate = self.parse(job.genotype)
        scored = False
        for scores in self.proxy.evaluate(candidate, seed=job.seed, device=self.device):
            if missing := sorted({*self.proxy.objectives, *self.required} - set(scores)):
                raise ValueError(f"the proxy did not score {missing}: it scored {sorted(scores)}")
            scored = True
            yield scores
        if not scored:
            raise ValueError("the proxy scored nothing")
