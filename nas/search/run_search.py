"""The loop: a strategy proposes, a runner evaluates, a store remembers, the strategy learns."""

import logging
import random
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.exc import DBAPIError

from nas.search.halving.scheduler import SuccessiveHalving
from nas.search.lease import Lease
from nas.search.ranking import best
from nas.search.runners.evaluate import Evaluate
from nas.search.store import MOST_ATTEMPTS, KeyClaimed, NotRunning, Store, StudyFull, TakenOver
from nas.search.types import Candidate, Direction, Job, Proxy, Report, Runner, State, Strategy, Trial
from search_spaces.genotype import Genotype
from search_spaces.within import Violation

CONVERGED = 100
"""So many proposals in a row that are repeats or rejected, and a strategy is held to have settled."""
MOST_REPEATS = 1000
"""So many in a row, or as many random draws, and the space is held to be exhausted."""

_LOG = logging.getLogger(__name__)

Draw = Callable[[random.Random], Candidate]


@dataclass(frozen=True)
class Result:
    """What a search came to."""

    best: Trial | None
    """By the first objective; None if no trial has scores."""
    exhausted: bool
    """The search ended before its last trial, because there was nothing new to try."""


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
    draw: Draw | None = None,
) -> Result:
    """Search until the store's study has `trials` ended trials, be they finished, stopped or failed.

    To resume is to call it again with the same store: trials left running by a driver that died start anew, and with
    one worker the strategy proposes what it would have, unless it remembers proposals that were rejected. Where
    the store has joined its study, other drivers may run the same search at the same time; the strategy hears of
    their trials, those whose driver dies start anew here, and the search ends when all have ended.

    Args:
        strategy: built with `asked=store.asked` and `nth_seed(seed, store.slot)`, and not told of anything: it is
            told the store's history here.
        seed: every trial's: candidates are compared under the same initialisation and order of data.
        device: what the proxy is handed, in the worker's own numbering.
        watch: called with a trial whenever it changes.
        objectives: which of the proxy's scores the search optimises, the first before all; None for the proxy's own.
        scheduler: gives up trials early; fresh, as the store's trials are shown to it here. None gives up none.
        violation: how far a candidate is from what is allowed; any that is not there yet is turned away before a
            worker is touched.
        parse: reads what the space's members write with `to_json`; must pickle.
        draw: a random member. Once the strategy has settled, and until it proposes something new, every proposal of it
            that is known is followed by a trial of what is drawn, of which it is told. None ends the search there.

    Raises:
        StoreError: the store is damaged, full, or away for too long.
    """
    wanted = proxy.objectives if objectives is None else objectives
    work = Evaluate(proxy, device, parse, tuple(wanted))
    with Lease(store) as lease:
        loop = _Loop(strategy, store, lease, trials, seed, watch, scheduler, violation, draw)
        try:
            runner.run(loop.ask, work, loop.tell)
            while loop.left_over():
                runner.run(loop.ask, work, loop.tell)
        except BaseException:
            with suppress(DBAPIError):
                store.release(but=loop.orphans)  # whose attempts were others' or a worker's
            raise
    return Result(best(store.trials(), wanted), loop.exhausted)


@dataclass
class _Loop:
    strategy: Strategy
    store: Store
    lease: Lease
    trials: int
    seed: int
    watch: Callable[[Trial], None]
    scheduler: SuccessiveHalving | None
    violation: Violation | None
    draw: Draw | None
    exhausted: bool = False
    active: dict[int, Trial] = field(default_factory=dict)
    """Trials that the runner was handed and has not ended, as they were begun."""
    orphans: deque[Trial] = field(init=False)
    """Running trials that nobody runs: of this driver's earlier life, of dead drivers, of dead workers."""
    collected: frozenset[int] = frozenset()
    """Dead drivers whose orphans were collected."""
    heard: int = 0
    """How much of the study's history the strategy was told."""
    ended: set[int] = field(default_factory=set)
    """Trials that are known to have ended."""

    def __post_init__(self) -> None:
        for trial in self.store.history():
            self._teach(trial)
            self.ended.add(trial.number)
        self._collect_orphans()

    def ask(self) -> Job | None:
        """First the trials that nobody runs, then new ones."""
        if self.lease.dead != self.collected:
            self._collect_orphans()
        trial = self._restarted() or self._new_trial()
        if trial is None:
            return None
        self.active[trial.number] = trial
        self.watch(trial)
        return Job(trial.number, trial.genotype, trial.seed)

    def tell(self, report: Report) -> bool:
        begun = self.active[report.number]
        if report.died and begun.attempts < MOST_ATTEMPTS:
            self.orphans.append(begun)
            del self.active[report.number]
            return True
        if report.died:
            report = replace(report, error=f"{report.error} ({begun.attempts} attempts)")
        try:
            trial = self.store.record(report)
            if self.scheduler and not trial.state.ended and self.scheduler.stops(trial):
                trial = self.store.end(trial.number, State.stopped, seconds=report.seconds)
        except TakenOver as error:  # we were taken for dead
            _LOG.warning("%s: what it came to here is dropped", error)
            del self.active[report.number]
            return True
        if trial.state.ended:
            del self.active[report.number]
        self._learn(trial)
        return trial.state.ended

    def left_over(self) -> bool:
        """Whether there are trials to begin anew; waits while other drivers run theirs, which may die."""
        self._collect_orphans()
        if not self.orphans and (running := self.store.running()):
            _LOG.warning("%s: waiting for %d trials that other drivers run", self.store.place, len(running))
        while not self.orphans and self.store.running():
            self.lease.wait()
            self._catch_up()
            self._collect_orphans()
        return bool(self.orphans)

    def _collect_orphans(self) -> None:
        self.collected = self.lease.dead
        left = {self.store.slot, *self.collected}
        nobodys = (t for t in self.store.running() if t.slot in left or not self.store.joined)
        self.orphans = deque(t for t in nobodys if t.number not in self.active)

    def _restarted(self) -> Trial | None:
        while self.orphans:
            try:
                trial = self.store.restart(self.orphans[0])
            except NotRunning:  # another driver was faster, or its own has come back
                self.orphans.popleft()
                continue
            self.orphans.popleft()  # not before it is counted: see `release`
            if not trial.state.ended:
                return trial
            self._learn(trial)
        return None

    def _new_trial(self) -> Trial | None:
        if self.lease.others:
            self._catch_up()
        if self.exhausted or self.store.count >= self.trials:
            return None
        try:
            for _ in range(MOST_REPEATS):
                if self.draw and self.store.stale >= CONVERGED:
                    trial = self._drawn(self.draw)
                    self.exhausted = trial is None
                    return trial
                if trial := self._claim(self.strategy.ask()):
                    return trial
        except StudyFull:
            return None
        self.exhausted = True
        return None

    def _drawn(self, draw: Draw) -> Trial | None:
        """A trial of a random member; None if chance finds nothing new either."""
        rng = random.Random(f"{self.seed}/{self.store.slot}/drawn/{self.store.count}")
        for _ in range(MOST_REPEATS):
            candidate = draw(rng)
            if self.store.find(candidate.key) or (self.violation and self.violation(candidate.value)):
                continue
            with suppress(KeyClaimed):
                return self._begin(candidate, drawn=True)
        return None

    def _claim(self, candidate: Candidate) -> Trial | None:
        """A trial of the candidate, or None if there is one already (no key is ever evaluated twice) or may be none."""
        if known := self.store.find(candidate.key):
            repeat = self.store.repeat(known.number, candidate.trace)
            if repeat.state.ended:
                self._learn(repeat)
            return None
        if self.violation and self.violation(candidate.value):
            self.store.reject()
            return None
        try:
            return self._begin(candidate, drawn=False)
        except KeyClaimed:
            return self._claim(candidate)

    def _begin(self, candidate: Candidate, *, drawn: bool) -> Trial:
        return self.store.create(
            key=candidate.key,
            trace=candidate.trace,
            genotype=candidate.value.to_json(),
            seed=self.seed,
            drawn=drawn,
            most=self.trials,
        )

    def _learn(self, trial: Trial) -> None:
        """Take note of a trial that has changed, and of what other drivers' came to before it ended."""
        if not trial.state.ended:
            self.watch(trial)
        elif trial.told == self.heard:
            self._hear(trial)
        else:
            self._catch_up()

    def _catch_up(self) -> None:
        for trial in self.store.history(self.heard):
            self._hear(trial)

    def _hear(self, trial: Trial) -> None:
        self._teach(trial)
        if trial.number not in self.ended:  # a repeat is nothing new to look at
            self.ended.add(trial.number)
            self.watch(trial)

    def _teach(self, trial: Trial) -> None:
        assert trial.told is not None, "only ended trials are told"
        self.strategy.tell(trial)
        if self.scheduler:
            self.scheduler.remember(trial)
        self.heard = trial.told + 1
