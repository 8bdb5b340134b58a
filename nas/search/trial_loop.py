"""What searches and rankings share: trials go to a runner, and restart if their worker or driver dies."""

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from sqlalchemy.exc import DBAPIError

from nas.search.lease import Lease
from nas.search.store import MOST_ATTEMPTS, NotRunning, Store, TakenOver
from nas.search.types import Job, Report, Runner, State, Trial, Work

_LOG = logging.getLogger(__name__)


@dataclass(kw_only=True)
class TrialLoop(ABC):
    """Evaluates trials until none is left: first those left running by dead workers and drivers, then new ones.

    A trial gets up to `MOST_ATTEMPTS` attempts. An interrupt releases the running trials, so it counts as no attempt.

    Attributes:
        lease: entered; tells which other drivers of the study have died.
        foreign: running trials, by number, that this loop neither restarts nor releases.
        active: trials that the runner has and has not ended, by number, as they were when started.
        orphans: running trials without a runner: of this driver's earlier sessions, of dead drivers, of dead workers.
    """

    store: Store
    lease: Lease
    foreign: Mapping[int, Trial] = field(default_factory=dict)
    active: dict[int, Trial] = field(default_factory=dict, init=False)
    orphans: deque[Trial] = field(init=False)
    _collected: frozenset[int] = field(init=False)
    """Slots of dead drivers whose orphans were collected."""

    @abstractmethod
    def new_trial(self) -> Trial | None:
        """Create the next trial in the store; None if no more are wanted."""

    @abstractmethod
    def update(self, trial: Trial) -> None:
        """Learn of a trial that has begun, reported or ended."""

    def job(self, trial: Trial) -> Job:
        """The message to a worker that evaluates a trial."""
        return Job(trial.number, trial.genotype, trial.seed)

    def stops(self, trial: Trial) -> bool:
        """Whether to stop a running trial after its latest report."""
        return False

    def catch_up(self) -> None:  # noqa: B027 - a loop that shares no study has nothing to learn
        """Learn of the trials that other drivers have ended; called while this driver waits for them."""

    def run(self, runner: Runner, work: Work) -> None:
        """Run until every trial has ended, those of other drivers included.

        Raises:
            StoreError: the store is damaged, full, or unreachable for too long.
        """
        self._collect_orphans()
        try:
            runner.run(self._ask, work, self._tell)
            while self._has_orphans():
                runner.run(self._ask, work, self._tell)
        except BaseException:
            with suppress(DBAPIError):
                self.store.release(but=[*self.orphans, *self.foreign.values()])  # the orphans' attempts died, and count
            raise

    def _ask(self) -> Job | None:
        if self.lease.dead != self._collected:
            self._collect_orphans()
        trial = self._restarted() or self.new_trial()
        if trial is None:
            return None
        self.active[trial.number] = trial
        self.update(trial)
        return self.job(trial)

    def _tell(self, report: Report) -> bool:
        begun = self.active[report.number]
        if report.died and begun.attempts < MOST_ATTEMPTS:
            self.orphans.append(begun)
            del self.active[report.number]
            return True
        if report.died:
            report = replace(report, error=f"{report.error} ({begun.attempts} attempts)")
        try:
            trial = self.store.record(report)
            if not trial.state.ended and self.stops(trial):
                trial = self.store.end(trial.number, State.stopped, seconds=report.seconds)
        except TakenOver as error:  # this driver counted as dead
            _LOG.warning("%s: its result here is dropped", error)
            del self.active[report.number]
            return True
        if trial.state.ended:
            del self.active[report.number]
        self.update(trial)
        return trial.state.ended

    def _restarted(self) -> Trial | None:
        while self.orphans:
            try:
                trial = self.store.restart(self.orphans[0])
            except NotRunning:  # restarted by another driver, or ended by its own
                self.orphans.popleft()
                continue
            self.orphans.popleft()  # after the attempt is counted: see `Store.release`
            if not trial.state.ended:
                return trial
            self.update(trial)
        return None

    def _has_orphans(self) -> bool:
        """Whether there are trials to restart; waits while other drivers, which may die, have running trials."""
        self._collect_orphans()
        if not self.orphans and (running := self._running()):
            _LOG.warning("%s: waiting for %d running trials of other drivers", self.store.place, len(running))
        while not self.orphans and self._running():
            self.lease.wait()
            self.catch_up()
            self._collect_orphans()
        return bool(self.orphans)

    def _collect_orphans(self) -> None:
        self._collected = self.lease.dead
        slots = {self.store.slot, *self._collected}
        left = (trial for trial in self._running() if trial.slot in slots or not self.store.joined)
        self.orphans = deque(trial for trial in left if trial.number not in self.active)

    def _running(self) -> list[Trial]:
        return [trial for trial in self.store.running() if trial.number not in self.foreign]
