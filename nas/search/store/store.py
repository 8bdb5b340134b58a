"""The store of trials: how a study and its trials change."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from nas.search.store import rows
from nas.search.store.errors import KeyClaimed, StoreError, StudyFull
from nas.search.store.reader import StoreReader
from nas.search.store.schema import repeats
from nas.search.store.study import Pulse
from nas.search.types import Report, Scores, State, Trial
from search_spaces.choose import Trace

MOST_ATTEMPTS = 3
"""A trial whose worker or driver died in each of this many attempts fails."""


class Store(StoreReader):
    """The trials of one study and their history, the order in which strategies are told them.

    Several drivers may share a study once each has joined it: numbers and keys are claimed within one transaction,
    and a running trial belongs to the driver that started it last. Calls wait up to `PATIENCE_S` for an unreachable
    database; a retried write takes effect exactly once.

    Args:
        url: of SQLite or PostgreSQL; without `://`, the path of an SQLite file, created if missing.
        study: name of the study within the database; created if missing.
        report_every: seconds between writes of a running trial's reports, for observers. All reports are written when
            the trial ends; an interrupted trial restarts, so none is lost.

    Attributes:
        slot: this driver's slot in the study: 0 for a single driver.
        joined: whether the study may have other drivers.
        place: the database's location, for messages.

    Raises:
        StoreError: the URL is invalid, the file is damaged or no store, or a later release wrote it.
    """

    def __init__(self, url: str, study: str = "default", *, report_every: float = 0.0) -> None:
        super().__init__(url, study)
        self._report_every = report_every
        self._running: dict[int, Trial] = {}
        self._written: dict[int, float] = {}

    def join(
        self,
        driver: str,
        config: Mapping[str, Any],
        migrated: Callable[[dict[str, Any]], Mapping[str, Any]] = lambda kept: kept,
    ) -> None:
        """Join the study as one of its drivers, in this driver's earlier slot or in a new one.

        Args:
            driver: unique name, the same whenever this driver returns.
            config: configuration that all drivers of the study share, of JSON's types. A study's only driver may
                change it.
            migrated: brings a configuration that an earlier release wrote into the present form.

        Raises:
            StoreError: the other drivers have another configuration; the message names the fields.
        """
        self.slot = self._study.join(driver, config, migrated)
        self.joined = True

    def beat(self) -> dict[int, Pulse]:
        """Write this driver's heartbeat and read every driver's pulse, by slot.

        Raises:
            DBAPIError: the database is unreachable; unlike all other calls, this one does not wait for it.
        """
        return self._study.beat(self.slot)

    def create(
        self, *, key: str, trace: Trace, genotype: str, seed: int, drawn: bool = False, most: int | None = None
    ) -> Trial:
        """Add a running trial under the next number.

        Args:
            drawn: whether it is a random draw, not a proposal of the strategy.
            most: upper bound of the study's trials.

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
            TakenOver: another driver has restarted the trial.
            StoreError: the trial does not exist or has ended.
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
        """End a running trial; it takes the next position in the history.

        On return it is on disk with all earlier writes: no ended trial is lost to a power failure.

        Raises:
            TakenOver: another driver has restarted the trial.
            StoreError: the trial does not exist or has ended before.
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
        """Write a runner's report of a job, by `report` or `end` as its state says."""
        if report.state.ended:
            return self.end(report.number, report.state, seconds=report.seconds, error=report.error)
        return self.report(report.number, report.scores or {})

    def restart(self, trial: Trial) -> Trial:
        """Restart a trial whose worker or driver died: same number, no reports, owned by this driver.

        A trial of `MOST_ATTEMPTS` attempts fails instead: it may have caused the deaths.

        Args:
            trial: the trial as last read.

        Raises:
            TakenOver: another driver has restarted it first.
            NotRunning: the trial has ended.
            StoreError: the trial does not exist.
        """
        retry = trial.attempts < MOST_ATTEMPTS
        attempt = self.slot, trial.attempts + int(retry)
        values = {"slot": attempt[0], "attempts": attempt[1], "reports": "[]"}

        def change(connection: Connection) -> Trial:
            return rows.change_running(connection, self.study, trial.number, values, trial)

        def done(connection: Connection) -> Trial | None:
            known = rows.get(connection, self.study, trial.number)
            return known if rows.attempt_of(known) == attempt and not known.state.ended else None

        begun = self._keep(self._database.write(change, done))
        if retry:
            return begun
        error = f"its driver died {trial.attempts} times while it ran"
        return self.end(trial.number, State.failed, seconds=0.0, error=error)

    def release(self, *, but: Collection[Trial]) -> None:
        """Release this driver's running trials for a restart, without counting the attempt, as nothing died.

        Does not wait for the database: if it is unreachable, the attempts count. Attempts that did die always count:
        `but` lists these trials as last read.
        """
        with self._database.writing.begin() as connection:
            rows.uncount(connection, self.study, self.slot, but)

    def repeat(self, number: int, trace: Trace) -> Trial:
        """Record a repeat: the strategy proposed the key of trial `number` again, by `trace`.

        A repeat of an ended trial is told to the strategy, so it takes a position in the history. A repeat of a
        running trial only counts as a proposal.

        Returns:
            The trial, with the repeat's own trace and position.

        Raises:
            StoreError: the trial does not exist.
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
        """Count a rejected proposal, without storing it."""

        def change(connection: Connection) -> None:
            self._study.next(connection, "rejected")
            self._study.ask(connection, self.slot, new=False)

        before = self.asked
        self._database.write(change, lambda connection: self._study.asked(connection, self.slot) > before or None)

    def _keep(self, trial: Trial) -> Trial:
        """Cache a running trial as written just now."""
        self._running[trial.number] = trial
        self._written[trial.number] = time.monotonic()
        return trial
