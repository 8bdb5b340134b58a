"""Searches that can be stopped and begun again, and what stops or limits them."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nas.search.halving.scheduler import SchedulerConfig, SuccessiveHalving
from nas.search.run_search import Result, run_search
from nas.search.runners.attempt import attempt
from nas.search.runners.local import LocalRunner
from nas.search.store import Store
from nas.search.strategies import build_strategy, strategy_config
from nas.search.strategies.proposal_rng import candidate
from nas.search.types import Ask, Direction, Runner, Tell, Trial, Work
from nas.seeds import nth_seed
from search_spaces.choose import sample
from search_spaces.within import Violation
from tests.unit.search.toys import OBJECTIVES, Digits, DigitSpace, SumProxy, parse

NEVER = SchedulerConfig(method="none")


@dataclass
class PairRunner:
    """Two jobs at once, a step of each in turn."""

    def run(self, ask: Ask, work: Work, tell: Tell) -> None:
        active = [attempt(work, job, time_limit=None) for job in itertools.islice(iter(ask, None), 2)]
        while active:
            reports = active.pop(0)
            report = next(reports)
            given_up = tell(report)
            if not (given_up or report.state.ended):
                active.append(reports)
            elif job := ask():
                active.append(attempt(work, job, time_limit=None))


@dataclass
class Search:
    """A search that can be stopped and begun again."""

    store: Store
    space: DigitSpace = field(default_factory=DigitSpace)
    strategy: str = "evolution"
    proxy: SumProxy = field(default_factory=SumProxy)
    runner: Runner = field(default_factory=LocalRunner)
    watch: Callable[[Trial], None] = lambda trial: None
    objectives: Mapping[str, Direction] = field(default_factory=lambda: OBJECTIVES)
    scheduler: SchedulerConfig = NEVER
    violation: Violation | None = None
    draws: bool = False
    """Whether it continues at random once the strategy has converged."""

    def run(self, trials: int) -> Result:
        config = strategy_config(self.strategy, population=5, tournament=3)
        seed = nth_seed(1, self.store.slot)
        strategy = build_strategy(config, self.space, self.objectives, seed=seed, asked=self.store.asked)
        return run_search(
            strategy=strategy,
            proxy=self.proxy,
            runner=self.runner,
            store=self.store,
            trials=trials,
            seed=1,
            device="cpu",
            watch=self.watch,
            objectives=self.objectives,
            scheduler=SuccessiveHalving(self.scheduler, self.objectives, self.proxy.steps),
            violation=self.violation,
            parse=parse,
            draw=(lambda rng: candidate(sample(self.space, rng))) if self.draws else None,
        )


def interrupt_at(moment: int) -> Callable[[Trial], None]:
    calls = itertools.count(1)

    def watch(trial: Trial) -> None:
        if next(calls) == moment:
            raise KeyboardInterrupt

    return watch


def odd(digits: Digits) -> float:
    return float(sum(digits.values) % 2)
