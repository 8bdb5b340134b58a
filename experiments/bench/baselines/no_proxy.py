"""An empty proxy that does nothing, or sleeps, to measure the overhead around it."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nas.search.types import Direction, Scores
from search_spaces.genotype import Genotype


@dataclass(frozen=True)
class NoProxy:
    """Gives every genotype the same score, after sleeping for `seconds` in total."""

    steps: int
    seconds: float = 0.0

    @property
    def objectives(self) -> Mapping[str, Direction]:
        return {"ap": "max"}

    def evaluate(self, genotype: Genotype, *, seed: int, device: str) -> Iterator[Scores]:
        for _ in range(self.steps):
            time.sleep(self.seconds / self.steps)
            yield {"ap": 0.0}
