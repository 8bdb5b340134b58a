"""Where trials live: one row each, in an SQLite file by default, in PostgreSQL by URL.

The store is the truth of a search. Whatever else a search remembers (a strategy's population, a scheduler's
rungs) is rebuilt from it, so a driver may die at any moment and lose nothing but the trials that were running.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select
from sqlalchemy.exc import IntegrityError

from nas.search.store import rows
from nas.search.store.database import open_database
from nas.search.store.errors import KeyClaimed, NotRunning, StoreError, StudyFull, TakenOver
from nas.search.store.schema import repeats, trials
from nas.search.store.study import Pulse, Study
from nas.search.types import Report, Scores, State, Trial
from search_spaces.choose import Trace

__all__ = ["KeyClaimed", "NotRunning", "Store", "StoreError", "StudyFull", "TakenOver"]

MOST_ATTEMPTS = 3
"""A trial that was begun so often, and whose worker or driver died each time, is not begun again."""


class Store:
    """The trials of one study, and the order in which a strategy was told of them.

    Several drivers may share a study once each has joined it: numbers and keys are claimed within one transaction,
    and a running trial is its that began it last. A database that is away is waited for, for `PATIENCE_S` at most;
    what was written then is there exactly once.

    Args:
        url: of SQLite or PostgreSQL; without `://`, the path of an SQLite file, made if there is none.
        study: which of the database's studies; made if there is none.
        report_every: seconds between writes of a running trial's reports, for those who look on. All are written when
            it ends; a trial cut short starts anew, so that none is missed.

    Attributes:
        slot: this driver's place in the study: 0 for one that is alone.
        joined: whether there may be others.
        place: where the trials lie, for people to read.

    Raises:
        StoreError: the URL makes no sense, the file is damaged or no store, or a later release wrote it.
    """

    def __init__(self, url: str, study: str = "default", *, report_every: float = 0.0) -> None:
        self.study = study
        self.slot = 0
        self.joined = False
        self._report_every = report_every
        self._running: dict[int, Trial] = {}
        self._written: dict[int, float] = {}
        self._rows = rows.rows_of(study)
        self._database = open_database(url)
        self.place = self._database.place
        self._study = Study(self._database, study)
        self._study.enter()

    def join(self, driver: str, config: Mapping[str, Any]) -> None:
        """Take part in the study beside others, in the slot that this driver had before, or in a new one.

        Args:
            driver: a name that no other has, the same whenever this driver comes back.
            config: what the drivers of a study have to agree upon, of JSON's types. A driver that is the only one
                may change it.

        Raises:
            StoreError: the others agreed upon something else; the message names the fields.
        """
        self.slot = self._study.join(driver, config)
        self.joined = True

    def beat(self) -> dict[int, Pulse]:
        """Show the others that this driver lives, and see the pulse of each, by slot.

        Raises:
            DBAPIError: the database is away; unlike all other calls, this one does not wait for it.
        """
        return self._study.beat(self.slot)

    @property
    def asked(self) -> int:
        """How many of its strategy's proposals this driver has taken: trials, what it repeated, what was rejected."""
        return self._database.read(lambda connection: self._study.asked(connection, self.slot))

    @property
    def stale(self) -> int:
        """How many of these in a row were repeats or rejected, less one for each trial drawn since."""
        return self._database.read(lambda connection: self._study.stale(connection, self.slot))

    @property
    def rejected(self) -> int:
        """How many proposals were turned away untried, as the search does not allow them."""
        return self._database.read(self._study.rejected)

    @property
    def count(self) -> int:
        """How many trials the study has, in whatever state."""
        return self._database.read(self._study.trials)

    def create(
        self, *, key: str, trace: Trace, genotype: str, seed: int, drawn: bool = False, most: int | None = None
    ) -> Trial:
        """Add a running trial under the next number.

        Args:
            drawn: by chance, not proposed by the strategy.
            most: trials that the study may come to.

        Raises:
            KeyClaimed: the study has a trial of this key.
            StudyFull: it has `most` trials.
        """

        def change(connection: Connection) -> Trial:
            number = self._study.next(connection, "trials", below=most)
            if number is None:
                raise StudyFull(f"study {self.study!r} has its {most} trials")
            trial = Trial(number, State.running, key, trace, genotype, seed, slot=self.slot)
            rows.add(connection, self.study, trial)
            self._study.ask(connection, self.slot, new=True, drawn=drawn)
            return trial

        try:
            return self._keep(self._database.write(change, lambda c: rows.of_key(c, self.study, key, self.slot)))
        except IntegrityError as error:
            raise KeyClaimed(f"study {self.study!r} has a trial of key {key} already") from error

    def report(self, number: int, scores: Scores) -> Trial:
        """Append a fidelity step's scores to a running trial.

        Raises:
            TakenOver: another driver has begun the trial anew.
            StoreError: there is no such trial, or it has ended.
        """
        known = self._running.get(number)
        if known and time.monotonic() - self._written[number] < self._report_every:
            self._running[number] = replace(known, reports=(*known.reports, scores))
            return self._running[number]

        def change(connection: Connection) -> Trial:
            trial = known or rows.get(connection, self.study, number)
            reports = {"reports": rows.reports_text((*trial.reports, scores))}
            return rows.change_running(connection, self.study, number, reports, known)

        return self._keep(self._database.write(change, lambda connection: None))

    def end(self, number: int, state: State, *, seconds: float, error: str | None = None) -> Trial:
        """End a running trial; it takes the next place in the order of what a strategy is told.

        On return it is on disk, with all that came before: should the power fail, no ended trial is lost.

        Raises:
            TakenOver: another driver has begun the trial anew.
            StoreError: there is no such trial, or it has ended before.
        """
        if not state.ended:
            raise StoreError(f"trial {number} cannot end as {state}: give finished, stopped or failed")

        def change(connection: Connection) -> Trial:
            told = self._study.next(connection, "told")
            end = {"state": state.value, "seconds": seconds, "error": error, "told": told}
            unwritten = {"reports": rows.reports_text(known.reports)} if known else {}
            return rows.change_running(connection, self.study, number, end | unwritten, known)

        def done(connection: Connection) -> Trial | None:
            trial = rows.get(connection, self.study, number)
            mine = known is None or rows.attempt_of(trial) == rows.attempt_of(known)
            return trial if trial.state is state and mine else None

        known = self._running.get(number)
        ended = self._database.write(change, done, lasting=True)
        self._running.pop(number, None)
        self._written.pop(number, None)
        return ended

    def record(self, report: Report) -> Trial:
        """Write a runner's news of a job down: `report` or `end`, whichever it is."""
        if report.state.ended:
            return self.end(report.number, report.state, seconds=report.seconds, error=report.error)
        return self.report(report.number, report.scores or {})

    def restart(self, trial: Trial) -> Trial:
        """Begin a trial anew whose worker or driver died: same number, no reports, this driver's from now on.

        One that was begun `MOST_ATTEMPTS` times fails instead: it may well be what they died of.

        Args:
            trial: as it was read last.

        Raises:
            TakenOver: another driver was faster.
            NotRunning: it has ended.
            StoreError: there is no such trial.
        """
        again = trial.attempts < MOST_ATTEMPTS
        attempt = self.slot, trial.attempts + again
        values = {"slot": attempt[0], "attempts": attempt[1], "reports": "[]"}

        def change(connection: Connection) -> Trial:
            return rows.change_running(connection, self.study, trial.number, values, trial)

        def done(connection: Connection) -> Trial | None:
            known = rows.get(connection, self.study, trial.number)
            return known if rows.attempt_of(known) == attempt and not known.state.ended else None

        begun = self._keep(self._database.write(change, done))
        if again:
            return begun
        error = f"its driver died {trial.attempts} times while it ran"
        return self.end(trial.number, State.failed, seconds=0.0, error=error)

    def release(self, *, but: Collection[Trial]) -> None:
        """Leave this driver's running trials to whoever begins them anew: no attempt, as nothing died.

        Does not wait for the database: where it is away, they count. So do attempts that did die: `but` these, as they
        were read last.
        """
        with self._database.writing.begin() as connection:
            rows.uncount(connection, self.study, self.slot, but)

    def repeat(self, number: int, trace: Trace) -> Trial:
        """Record that a strategy proposed the key of trial `number` again, by way of `trace`.

        Where the trial has ended, the strategy is told of it as an answer, so the repeat takes a place in that
        order. A repeat of a running trial only counts as asked.

        Returns:
            The trial, with the repeat's own trace and place.

        Raises:
            StoreError: there is no such trial.
        """
        text = rows.trace_text(trace)

        def change(connection: Connection) -> Trial:
            place = {"study": self.study, "repeat": self._study.next(connection, "repeats"), "number": number}
            trial = rows.get(connection, self.study, number)
            told = self._study.next(connection, "told") if trial.state.ended else None
            connection.execute(repeats.insert().values(place | {"trace": text, "told": told}))
            self._study.ask(connection, self.slot, new=False)
            return replace(trial, trace=trace, told=told)

        def done(connection: Connection) -> Trial | None:
            if self._study.asked(connection, self.slot) == before:
                return None
            told = rows.last_told(connection, self.study, number, text)
            return replace(rows.get(connection, self.study, number), trace=trace, told=told)

        before = self.asked
        return self._database.write(change, done)

    def reject(self) -> None:
        """Count a proposal that is not allowed; nothing else is kept of it."""

        def change(connection: Connection) -> None:
            self._study.next(connection, "rejected")
            self._study.ask(connection, self.slot, new=False)

        before = self.asked
        self._database.write(change, lambda connection: self._study.asked(connection, self.slot) > before or None)

    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        return self._read(self._rows.order_by(trials.c.number))

    def running(self) -> list[Trial]:
        """The trials that have not ended, by number, whichever driver's they are."""
        return self._read(self._rows.where(trials.c.state == State.running.value).order_by(trials.c.number))

    def find(self, key: str) -> Trial | None:
        """The trial of this key, if there is one."""
        return next(iter(self._read(self._rows.where(trials.c.key == key))), None)

    def history(self, since: int = 0) -> list[Trial]:
        """All that strategies were told, in order: ended trials, and repeats as that trial with the repeat's trace.

        Args:
            since: the place in that order to begin at.
        """
        return self._database.read(lambda connection: rows.read_history(connection, self.study, since))

    def close(self) -> None:
        """Let go of the database; the next call opens it again."""
        self._database.reading.dispose()

    def _read(self, query: Select[Any]) -> list[Trial]:
        return self._database.read(lambda connection: [rows.trial_of(row) for row in connection.execute(query)])

    def _keep(self, trial: Trial) -> Trial:
        """Remember a running trial as it has just been written."""
        self._running[trial.number] = trial
        self._written[trial.number] = time.monotonic()
        return trial
