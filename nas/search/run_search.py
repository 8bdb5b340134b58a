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
"""A strategy counts as converged after this many consecutive repeated or rejected proposals."""
MOST_REPEATS = 1000
"""A space counts as exhausted after this many consecutive proposals, or random draws, without a new member."""

_LOG = logging.getLogger(__name__)

Draw = Callable[[random.Random], Candidate]


@dataclass(frozen=True)
class Result:
    """The outcome of a search."""

    best: Trial | None
    """Best trial by the first objective; None if no trial has scores."""
    exhausted: bool
    """The search ended before its last trial, because no new member was found."""


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
    """Search until the store's study has `trials` ended trials: finished, stopped or failed.

    Call it again with the same store to resume: trials left running by a dead driver restart, and with one worker the
    strategy makes the same proposals, unless its state depends on rejected ones. If the store has joined its study,
    other drivers may run the same search at the same time: the strategy is told their trials too, trials of a dead
    driver restart here, and the search ends when all trials have ended.

    Args:
        strategy: built with `asked=store.asked` and `nth_seed(seed, store.slot)`, without any tell: the store's
            history is replayed to it here.
        seed: seed of every trial: candidates are compared under the same initialisation and order of data.
        device: the proxy's device, in the worker's own numbering.
        watch: called with a trial whenever it changes.
        objectives: scores of the proxy that the search optimises, the first one ranks; None for the proxy's own.
        scheduler: stops trials early; new, as the store's history is replayed to it here. None stops no trial.
        violation: distance of a candidate from the constraints; a candidate with a positive one is rejected before
            a worker is used.
        parse: reads a member from its `to_json`; must pickle.
        draw: samples a random member. From the strategy's convergence until its next new proposal, every repeated
            proposal is followed by a trial of a random member, which the strategy is told. None ends the search there.

    Raises:
        StoreError: the store is damaged, full, or unreachable for too long.
    """
    optimised = proxy.objectives if objectives is None else objectives
    work = Evaluate(proxy, device, parse, tuple(optimised))
    with Lease(store) as lease:
        loop = _Loop(strategy, store, lease, trials, seed, watch, scheduler, violation, draw)
        try:
            runner.run(loop.ask, work, loop.tell)
            while loop.has_orphans():
                runner.run(loop.ask, work, loop.tell)
        except BaseException:
            with suppress(DBAPIError):
                store.release(but=loop.orphans)  # their attempts died, and count
            raise
    return Result(best(store.trials(), optimised), loop.exhausted)


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
    """Trials that the runner has and has not ended, as they were when started."""
    orphans: deque[Trial] = field(init=False)
    """Running trials without a runner: of this driver's earlier sessions, of dead drivers, of dead workers."""
    collected: frozenset[int] = frozenset()
    """Slots of dead drivers whose orphans were collected."""
    replayed: int = 0
    """Length of the study's history that the strategy was told."""
    ended: set[int] = field(default_factory=set)
    """Numbers of the trials known to have ended."""

    def __post_init__(self) -> None:
        for trial in self.store.history():
            self._tell_strategy(trial)
            self.ended.add(trial.number)
        self._collect_orphans()

    def ask(self) -> Job | None:
        """The next job: orphans first, then new trials."""
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
        except TakenOver as error:  # this driver counted as dead
            _LOG.warning("%s: its result here is dropped", error)
            del self.active[report.number]
            return True
        if trial.state.ended:
            del self.active[report.number]
        self._update(trial)
        return trial.state.ended

    def has_orphans(self) -> bool:
        """Whether there are trials to restart; waits while other drivers, which may die, have running trials."""
        self._collect_orphans()
        if not self.orphans and (running := self.store.running()):
            _LOG.warning("%s: waiting for %d running trials of other drivers", self.store.place, len(running))
        while not self.orphans and self.store.running():
            self.lease.wait()
            self._catch_up()
            self._collect_orphans()
        return bool(self.orphans)

    def _collect_orphans(self) -> None:
        self.collected = self.lease.dead
        slots = {self.store.slot, *self.collected}
        candidates = (t for t in self.store.running() if t.slot in slots or not self.store.joined)
        self.orphans = deque(t for t in candidates if t.number not in self.active)

    def _restarted(self) -> Trial | None:
        while self.orphans:
            try:
                trial = self.store.restart(self.orphans[0])
            except NotRunning:  # restarted by another driver, or ended by its own
                self.orphans.popleft()
                continue
            self.orphans.popleft()  # after the attempt is counted: see `release`
            if not trial.state.ended:
                return trial
            self._update(trial)
        return None

    def _new_trial(self) -> Trial | None:
        if self.lease.others:
            self._catch_up()
        if self.exhausted or self.store.count >= self.trials:
            return None
        try:
            for _ in range(MOST_REPEATS):
                if self.draw and self.store.stale >= CONVERGED:
                    trial = self._random_trial(self.draw)
                    self.exhausted = trial is None
                    return trial
                if trial := self._claim(self.strategy.ask()):
                    return trial
        except StudyFull:
            return None
        self.exhausted = True
        return None

    def _random_trial(self, draw: Draw) -> Trial | None:
        """A trial of a random member; None if no draw is new."""
        rng = random.Random(f"{self.seed}/{self.store.slot}/drawn/{self.store.count}")
        for _ in range(MOST_REPEATS):
            candidate = draw(rng)
            if self.store.find(candidate.key) or (self.violation and self.violation(candidate.value)):
                continue
            with suppress(KeyClaimed):
                return self._begin(candidate, drawn=True)
        return None

    def _claim(self, candidate: Candidate) -> Trial | None:
        """A trial of the candidate; None if its key has a trial (no key is evaluated twice) or it is rejected."""
        if known := self.store.find(candidate.key):
            repeat = self.store.repeat(known.number, candidate.trace)
            if repeat.state.ended:
                self._update(repeat)
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

    def _update(self, trial: Trial) -> None:
        """Show a changed trial; if it has ended, replay the history up to it, trials of other drivers included."""
        if not trial.state.ended:
            self.watch(trial)
        elif trial.told == self.replayed:
            self._replay(trial)
        else:
            self._catch_up()

    def _catch_up(self) -> None:
        for trial in self.store.history(self.replayed):
            self._replay(trial)

    def _replay(self, trial: Trial) -> None:
        self._tell_strategy(trial)
        if trial.number not in self.ended:  # a repeat changes no trial
            self.ended.add(trial.number)
            self.watch(trial)

    def _tell_strategy(self, trial: Trial) -> None:
        assert trial.told is not None, "only ended trials are told"
        self.strategy.tell(trial)
        if self.scheduler:
            self.scheduler.remember(trial)
        self.replayed = trial.told + 1
