"""A space of digit strings and proxies that judge, hang, fail and die: what the tests of a search run on."""

import itertools
import json
import os
import resource
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nas.search.types import Direction, Job, Scores
from search_spaces.choose import Chooser

OBJECTIVES: Mapping[str, Direction] = {"ap": "max"}


@dataclass(frozen=True)
class Digits:
    values: tuple[int, ...]

    def key(self) -> str:
        return "".join(map(str, self.values))

    def to_json(self) -> str:
        return json.dumps(self.values)


def parse(document: str) -> Digits:
    return Digits(tuple(json.loads(document)))


@dataclass(frozen=True)
class DigitSpace:
    """Strings of digits; `order` says whether strings with the same digits are different things."""

    length: int = 6
    base: int = 6
    order: bool = True
    name: str = "digits"

    def build(self, choose: Chooser, /) -> Digits:
        values = [choose(f"d{i}", range(self.base)) for i in range(self.length)]
        return Digits(tuple(values if self.order else sorted(values)))


@dataclass(frozen=True)
class SumProxy:
    """A candidate is worth its digits' mean, of which it shows a part at each step, and has a spread."""

    steps: int = 2
    pause: float = 0.0
    log: str | None = None
    """File that gets a line per evaluation that comes to its end."""

    @property
    def objectives(self) -> Mapping[str, Direction]:
        return OBJECTIVES

    def evaluate(self, genotype: Digits, *, seed: int, device: str) -> Iterator[Scores]:
        for step in range(1, self.steps + 1):
            time.sleep(self.pause)
            spread = float(max(genotype.values) - min(genotype.values))
            yield {"ap": sum(genotype.values) / len(genotype.values) * step / self.steps, "spread": spread}
        if self.log:
            with open(self.log, "a") as file:  # noqa: PTH123 - appends of one line do not tear
                file.write(f"{genotype.key()}\n")


def misbehave(job: Job) -> Iterator[Scores]:
    """Work that does what the job's genotype says."""
    yield {"ap": 1.0}
    match job.genotype:
        case "nan":
            yield {"ap": float("nan")}
        case "raise":
            raise KeyError("no such\nlevel")
        case "memory":
            bytearray(10**15)  # more than any address space
        case "limit":
            resource.setrlimit(resource.RLIMIT_AS, (2**31, resource.getrlimit(resource.RLIMIT_AS)[1]))
            hoard = [bytearray(2**26) for _ in range(10**6)]
            yield {"ap": float(len(hoard))}
        case "hang":
            time.sleep(60)
        case "hang in native code":
            sum(itertools.repeat(0))
        case "swallow":
            try:
                time.sleep(60)
            except Exception:
                yield {"ap": 2.0}
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
    yield {"ap": 3.0}
