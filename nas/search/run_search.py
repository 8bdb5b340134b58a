"""The loop: a strategy proposes, a runner evaluates, a store remembers, the strategy learns."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nas.search.ranking import best
from nas.search.scheduler import SuccessiveHalving
from nas.search.store import KeyClaimed, Store
from nas.search.types import (
    Candidate,
    Direction,
    Job,
    Proxy,
    Report,
    Runner,
    Scores,
    State,
    Strategy,
    Trial,
)
from search_spaces.genotype import Genotype
from search_spaces.within import Violation

MOST_REPEATS = 1000
"""So many repeats and rejections in a row, and the strategy is held to have seen the whole space."""


@dataclass(frozen=True)
class Result:
    """What a search came to."""

    best: Trial | None
    """By the first objective; None if no trial has scores."""
    exhausted: bool
    """The search ended before its last trial, because the strategy had nothing new to propose."""


def run_search(
    *,
    strategy: Strategy,
    proxy: Proxy,
    runner: Runner,
    store: Store,
    trials: int,
    seed: int,
    device: str,
    watch: Callable[[Trial], None],
    objectives: Mapping[str, Direction] | None = None,
    scheduler: SuccessiveHalving | None = None,
    violation: Violation | None = None,
    parse: Callable[[str], Any] = Genotype.from_json,
) -> Result:
    """Search until the store holds `trials` trials, be they finished, stopped or failed.

    To resume is to call it again with the same store: trials left running by a driver that died start anew.

    Args:
        strategy: fresh for a new store, else built with `asked=store.asked` and told `store.history()`.
        seed: every trial's: candidates are compared under the same initialisation and order of data.
        device: what the proxy is handed, in the worker's own numbering.
        watch: called with a trial whenever it changes.
        objectives: which of the proxy's scores the search optimises, the first before all; None for the proxy's own.
        scheduler: gives up trials early; fresh, as the store's trials are shown to it here. None gives up none.
        violation: how far a candidate is from what is allowed; any that is not there yet is turned away before a
            worker is touched.
        parse: reads what the space's members write with `to_json`; must pickle.
    """
    wanted = proxy.objectives if objectives is None else objectives
    loop = _Loop(strategy, store, trials, seed, watch, scheduler, violation)
    runner.run(loop.ask, Evaluate(proxy, device, parse, tuple(wanted)), loop.tell)
    return Result(best(store.trials(), wanted), loop.exhausted)


@dataclass(frozen=True)
class Evaluate:
    """The work of a search: read a genotype and let the proxy judge it. Travels once to every worker."""

    proxy: Proxy
    device: str
    parse: Callable[[str], Any]
    wanted: tuple[str, ...] = ()
    """Scores that there have to be, beside the proxy's objectives."""

    def __call__(self, job: Job) -> Iterator[Scores]:
        candidate = self.parse(job.genotype)
        for scores in self.proxy.evaluate(candidate, seed=job.seed, device=self.device):
            if missing := sorted({*self.proxy.objectives, *self.wanted} - set(scores)):
                raise ValueError(f"the proxy did not score {missing}: it scored {sorted(scores)}")
            yield scores


@dataclass
class _Loop:
    strategy: Strategy
    store: Store
    trials: int
    seed: int
    watch: Callable[[Trial], None]
    scheduler: SuccessiveHalving | None
    violation: Violation | None
    exhausted: bool = False
    orphans: deque[Trial] = field(init=False)
    count: int = field(init=False)

    def __post_init__(self) -> None:
        known = self.store.trials()
        self.orphans = deque(trial for trial in known if not trial.state.ended)
        self.count = len(known)
        for trial in known:
            if self.scheduler and trial.state.ended:
                self.scheduler.remember(trial)

    def ask(self) -> Job | None:
        """First the trials a dead driver left running, then new ones."""
        trial = self.store.restart(self.orphans.popleft().number) if self.orphans else self._new_trial()
        if trial is None:
            return None
        self.watch(trial)
        return Job(trial.number, trial.genotype, trial.seed)

    def tell(self, report: Report) -> bool:
        trial = self.store.record(report)
        if self.scheduler and not trial.state.ended and self.scheduler.stops(trial):
            trial = self.store.end(trial.number, State.stopped, seconds=report.seconds)
        if trial.state.ended:
            self.strategy.tell(trial)
        self.watch(trial)
        return trial.state.ended

    def _new_trial(self) -> Trial | None:
        if self.count >= self.trials:
            return None
        for _ in range(MOST_REPEATS):
            candidate = self.strategy.ask()
            if trial := self._claim(candidate):
                self.count += 1
                return trial
        self.exhausted = True
        return None

    def _claim(self, candidate: Candidate) -> Trial | None:
        """A trial of the candidate, or None if there is one already (no key is ever evaluated twice) or may be none."""
        if known := self.store.find(candidate.key):
            self._answer(known, candidate)
            return None
        if self.violation and self.violation(candidate.value):
            self.store.reject()
            return None
        genotype = candidate.value.to_json()
        try:
            return self.store.create(key=candidate.key, trace=candidate.trace, genotype=genotype, seed=self.seed)
        except KeyClaimed:
            return self._claim(candidate)

    def _answer(self, known: Trial, candidate: Candidate) -> None:
        repeat = self.store.repeat(known.number, candidate.trace)
        if repeat.state.ended:
            self.strategy.tell(repeat)
