"""Toy searches that tests interrupt and resume, with a runner, an interrupt and a limit."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from nas.search.halving.scheduler import SchedulerConfig
from nas.search.runners.attempt import attempt
from nas.search.search import Search
from nas.search.strategies import StrategyConfig, strategy_config
from nas.search.types import Ask, Tell, Trial, Work
from tests.unit.search.toys import Digits, DigitSpace, SumProxy, parse


@dataclass
class PairRunner:
    """Runs two jobs at once and alternates between their steps."""

    def run(self, ask: Ask, work: Work, tell: Tell) -> None:
        active = [attempt(work, job, time_limit=None) for job in itertools.islice(iter(ask, None), 2)]
        while active:
            reports = active.pop(0)
            report = next(reports)
            stopped = tell(report)
            if not (stopped or report.state.ended):
                active.append(reports)
            elif job := ask():
                active.append(attempt(work, job, time_limit=None))


def small(name: str) -> StrategyConfig:
    """A strategy with a small population."""
    return strategy_config(name, population=5, tournament=3)


@dataclass(frozen=True, kw_only=True)
class ToySearch(Search):
    """A search of digit strings without random draws or repairs: only the strategy proposes trials."""

    space: DigitSpace = field(default_factory=DigitSpace)
    proxy: SumProxy = field(default_factory=SumProxy)
    strategy: StrategyConfig = field(default_factory=lambda: small("evolution"))
    scheduler: SchedulerConfig = field(default_factory=lambda: SchedulerConfig(method="none"))
    draws: bool = False
    seed: int = 1
    parse: Callable[[str], Digits] = parse

    def _constrained(self) -> DigitSpace:
        return self.space


def interrupt_at(moment: int) -> Callable[[Trial], None]:
    calls = itertools.count(1)

    def watch(trial: Trial) -> None:
        if next(calls) == moment:
            raise KeyboardInterrupt

    return watch


def odd(digits: Digits) -> float:
    return float(sum(digits.values) % 2)
