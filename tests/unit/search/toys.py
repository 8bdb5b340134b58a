"""A space of digit strings, a proxy, and work that fails, hangs or dies: the toys of the search tests."""

import itertools
import json
import os
import resource
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.search.types import Direction, Job, Scores
from search_spaces.choose import Chooser

OBJECTIVES: Mapping[str, Direction] = {"ap": "max"}


@dataclass
class FakeTime:
    """Replaces a module's `time`: the clock advances only if a test sets it."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now


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
    """Strings of digits; without `order`, strings with the same digits are one member."""

    length: int = 6
    base: int = 6
    order: bool = True
    name: str = "digits"

    def build(self, choose: Chooser, /) -> Digits:
        values = [choose(f"d{i}", range(self.base)) for i in range(self.length)]
        return Digits(tuple(values if self.order else sorted(values)))


@dataclass(frozen=True)
class SumProxy:
    """Scores the mean of the digits, scaled by the share of completed steps, and their spread."""

    steps: int = 2
    pause: float = 0.0
    log: str | None = None
    """File that gets one line per completed evaluation; see `hold`."""

    @property
    def objectives(self) -> Mapping[str, Direction]:
        return OBJECTIVES

    def evaluate(self, genotype: Digits, *, seed: int, device: str) -> Iterator[Scores]:
        for step in range(1, self.steps + 1):
            if self.log:
                wait_while_held(self.log, genotype.key())
            time.sleep(self.pause)
            spread = float(max(genotype.values) - min(genotype.values))
            yield {"ap": sum(genotype.values) / len(genotype.values) * step / self.steps, "spread": spread}
        if self.log:
            with open(self.log, "a") as file:  # noqa: PTH123 - appends of one line do not tear
                file.write(f"{genotype.key()}\n")


def hold(log: Path, count: int = 0, key: str = "") -> None:
    """Pause evaluations once their log has `count` lines, or `count` lines of one key; `release` resumes them."""
    written = log.with_suffix(".new")
    written.write_text(f"{count} {key}")
    written.rename(f"{log}.hold")  # atomic


def release(log: Path) -> None:
    """Resume the evaluations that `hold` paused."""
    Path(f"{log}.hold").unlink()


def wait_while_held(log: str, key: str) -> None:
    sign = Path(f"{log}.{key}.{os.getpid()}.waits")
    while held(log):
        sign.touch()
        time.sleep(0.01)
    sign.unlink(missing_ok=True)


def paused_pids(log: Path) -> list[int]:
    """Ids of the processes whose evaluations are paused, dead processes included."""
    return [int(sign.name.split(".")[-2]) for sign in log.parent.glob(f"{log.name}.*.waits")]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def held(log: str) -> bool:
    try:
        count, *key = Path(f"{log}.hold").read_text().split()
    except FileNotFoundError:
        return False
    lines = Path(log).read_text().split() if Path(log).exists() else []
    return (lines.count(key[0]) if key else len(lines)) >= int(count)


def misbehave(job: Job) -> Iterator[Scores]:
    """Work that fails in the way the job's genotype names."""
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
        case "time is up":  # the signal of an expired time limit
            signal.raise_signal(signal.SIGALRM)
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
