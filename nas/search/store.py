"""Where trials live: one row each, in an SQLite file by default, in any database SQLAlchemy reaches by URL.

The store is the truth of a search. Whatever else a search remembers (a strategy's population, a scheduler's
rungs) is rebuilt from it, so a driver may die at any moment and lose nothing but the trials that were running.
"""

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, null, select, update
from sqlalchemy.exc import IntegrityError

from nas.search.schema import StoreError, open_database, repeats, studies, trials
from nas.search.types import Report, Scores, State, Trial
from search_spaces.choose import Trace, trace_from_json

__all__ = ["KeyClaimed", "Store", "StoreError"]

_ROW = tuple(trials.c[name] for name in Trial.__dataclass_fields__)


class KeyClaimed(StoreError):
    """The study has a trial of this key already: another driver was faster."""


class Store:
    """The trials of one study, and the order in which a strategy was told of them.

    Several drivers may share a study: numbers and keys are claimed within one transaction.

    Args:
        url: any SQLAlchemy URL; without `://`, the path of an SQLite file, made if there is none.
        study: which of the database's studies; made if there is none.
        report_every: seconds between writes of a running trial's reports, for those who look on. All are written when
            it ends; a trial cut short starts anew, so that none is missed.

    Raises:
        StoreError: the URL makes no sense, the file is no store, or another release wrote it.
    """

    def __init__(self, url: str, study: str = "default", *, report_every: float = 0.0) -> None:
        self.study = study
        self._report_every = report_every
        self._running: dict[int, Trial] = {}
        self._written: dict[int, float] = {}
        self._select = select(*_ROW).where(trials.c.study == study)
        self._database = open_database(url)
        self._enter_study()

    @property
    def asked(self) -> int:
        """How many proposals the study has taken: its trials, the repeats it answered, and what it rejected."""
        return self._count(studies.c.trials + studies.c.repeats + studies.c.rejected)

    @property
    def rejected(self) -> int:
        """How many proposals were turned away untried, as the search does not allow them."""
        return self._count(studies.c.rejected)

    def create(self, *, key: str, trace: Trace, genotype: str, seed: int) -> Trial:
        """Add a running trial under the next number.

        Raises:
            KeyClaimed: the study has a trial of this key.
        """
        try:
            with self._database.writing.begin() as connection:
                number = self._next(connection, "trials")
                row = {
                    "number": number,
                    "state": State.running,
                    "key": key,
                    "genotype": genotype,
                    "seed": seed,
                }
                text = {"study": self.study, "trace": json.dumps(dict(trace)), "reports": "[]"}
                connection.execute(trials.insert().values(row | text))
        except IntegrityError as error:
            raise KeyClaimed(f"study {self.study!r} has a trial of key {key} already") from error
        return self._keep(Trial(number, State.running, key, trace, genotype, seed))

    def report(self, number: int, scores: Scores) -> Trial:
        """Append a fidelity step's scores to a running trial.

        Raises:
            StoreError: there is no such trial, or it has ended.
        """
        known = self._running.get(number)
        if known and time.monotonic() - self._written[number] < self._report_every:
            self._running[number] = replace(known, reports=(*known.reports, scores))
            return self._running[number]
        with self._database.writing.begin() as connection:
            trial = known or self._get(connection, number)
            return self._keep(self._change(connection, number, _reports((*trial.reports, scores))))

    def end(self, number: int, state: State, *, seconds: float, error: str | None = None) -> Trial:
        """End a running trial; it takes the next place in the order of what a strategy is told.

        On return it is on disk, with all that came before: should the power fail, no ended trial is lost.

        Raises:
            StoreError: there is no such trial, or it has ended before.
        """
        if not state.ended:
            raise StoreError(f"trial {number} cannot end as {state}: give finished, stopped or failed")
        with self._database.lasting.begin() as connection:
            end = {"state": state.value, "seconds": seconds, "error": error, "told": self._next(connection, "told")}
            reports = _reports(self._running[number].reports) if number in self._running else {}
            ended = self._change(connection, number, end | reports)
        self._running.pop(number, None)
        self._written.pop(number, None)
        return ended

    def record(self, report: Report) -> Trial:
        """Write a runner's news of a job down: `report` or `end`, whichever it is."""
        if report.state.ended:
            return self.end(report.number, report.state, seconds=report.seconds, error=report.error)
        return self.report(report.number, report.scores or {})

    def restart(self, number: int) -> Trial:
        """Begin a trial anew that was running when its driver died: same number, no reports.

        Raises:
            StoreError: there is no such trial, or it has ended.
        """
        with self._database.writing.begin() as connection:
            return self._keep(self._change(connection, number, _reports(())))

    def repeat(self, number: int, trace: Trace) -> Trial:
        """Record that a strategy proposed the key of trial `number` again, by way of `trace`.

        Where the trial has ended, the strategy is told of it as an answer, so the repeat takes a place in that
        order. A repeat of a running trial only counts as asked.

        Returns:
            The trial, with the repeat's own trace.

        Raises:
            StoreError: there is no such trial.
        """
        with self._database.writing.begin() as connection:
            place = {"study": self.study, "repeat": self._next(connection, "repeats"), "number": number}
            trial = self._get(connection, number)
            told = self._next(connection, "told") if trial.state.ended else None
            connection.execute(repeats.insert().values(place | {"trace": json.dumps(dict(trace)), "told": told}))
        return replace(trial, trace=trace)

    def reject(self) -> None:
        """Count a proposal that is not allowed; nothing else is kept of it."""
        with self._database.writing.begin() as connection:
            self._next(connection, "rejected")

    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        with self._database.reading.connect() as connection:
            rows = connection.execute(self._select.order_by(trials.c.number)).all()
        return [_trial(row) for row in rows]

    def find(self, key: str) -> Trial | None:
        """The trial of this key, if there is one."""
        with self._database.reading.connect() as connection:
            row = connection.execute(self._select.where(trials.c.key == key)).first()
        return _trial(row) if row else None

    def history(self) -> list[Trial]:
        """All a strategy was told, in order: ended trials, and repeats as that trial with the repeat's trace."""
        first = select(trials.c.told, trials.c.number, null()).where(trials.c.study == self.study)
        again = select(repeats.c.told, repeats.c.number, repeats.c.trace).where(repeats.c.study == self.study)
        with self._database.reading.connect() as connection:
            tells = [*connection.execute(first.where(trials.c.told.is_not(None)))]
            tells += connection.execute(again.where(repeats.c.told.is_not(None)))
            known = {trial.number: trial for trial in map(_trial, connection.execute(self._select))}
        told = sorted(tells, key=lambda tell: tell[0])
        return [replace(known[n], trace=_trace(text)) if text else known[n] for _, n, text in told]

    def close(self) -> None:
        """Let go of the database; the next call opens it again."""
        self._database.reading.dispose()

    def _keep(self, trial: Trial) -> Trial:
        """Remember a running trial as it has just been written."""
        self._running[trial.number] = trial
        self._written[trial.number] = time.monotonic()
        return trial

    def _enter_study(self) -> None:
        with self._database.reading.connect() as connection:
            known = connection.execute(select(studies.c.name).where(studies.c.name == self.study)).first()
        if not known:
            # another driver may enter it just now: then it exists, which is all that is wanted
            with suppress(IntegrityError), self._database.writing.begin() as connection:
                connection.execute(studies.insert().values(name=self.study, trials=0, repeats=0, told=0, rejected=0))

    def _count(self, counter: ColumnElement[int]) -> int:
        with self._database.reading.connect() as connection:
            return int(connection.execute(select(counter).where(studies.c.name == self.study)).scalar_one())

    def _next(self, connection: Connection, counter: str) -> int:
        """Take a number from one of the study's counters."""
        column = studies.c[counter]
        raised = update(studies).where(studies.c.name == self.study).values({column: column + 1}).returning(column)
        return int(connection.execute(raised).scalar_one()) - 1

    def _get(self, connection: Connection, number: int) -> Trial:
        row = connection.execute(self._select.where(trials.c.number == number)).first()
        if row is None:
            raise StoreError(f"study {self.study!r} has no trial {number}")
        return _trial(row)

    def _change(self, connection: Connection, number: int, values: Mapping[str, Any]) -> Trial:
        """Set columns of a trial, provided that it is running."""
        running = (trials.c.study == self.study, trials.c.number == number, trials.c.state == State.running.value)
        row = connection.execute(update(trials).where(*running).values(dict(values)).returning(*_ROW)).first()
        if row is None:
            state = self._get(connection, number).state
            raise StoreError(f"trial {number} of study {self.study!r} has ended ({state}): it cannot change any more")
        return _trial(row)


def _trial(row: Row[Any]) -> Trial:
    number, state, key, trace, genotype, seed, reports, seconds, error = tuple(row)
    try:
        return Trial(
            number, State(state), key, _trace(trace), genotype, seed, tuple(json.loads(reports)), seconds, error
        )
    except (TypeError, ValueError) as fault:
        raise StoreError(f"the row of trial {number} is damaged ({fault}): restore the store from a copy") from fault


def _reports(reports: Iterable[Scores]) -> dict[str, str]:
    return {"reports": json.dumps([dict(scores) for scores in reports])}


def _trace(text: str) -> Trace:
    return trace_from_json(json.loads(text))
