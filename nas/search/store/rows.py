"""Trials as rows of a store's tables, and back."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, Select, Text, cast, null, or_, select, union_all, update

from nas.search.store.errors import DamagedRow, NotRunning, StoreError, TakenOver
from nas.search.store.schema import repeats, trials
from nas.search.types import Scores, State, Trial
from search_spaces.choose import Trace, trace_from_json

ROW = tuple(trials.c[name] for name in Trial.__dataclass_fields__)


def rows_of(study: str) -> Select[Any]:
    """Every trial of a study, in no order."""
    return select(*ROW).where(trials.c.study == study)


def trial_of(row: Row[Any]) -> Trial:
    """The trial of a row.

    Raises:
        DamagedRow: it holds something else.
    """
    try:
        read = {"state": State(row.state), "trace": _trace(row.trace), "reports": tuple(json.loads(row.reports))}
    except (TypeError, ValueError) as fault:
        raise DamagedRow(f"the row of trial {row.number}: {fault}") from fault
    return Trial(**row._asdict() | read)


def trace_text(trace: Trace) -> str:
    return json.dumps(dict(trace))


def reports_text(reports: Iterable[Scores]) -> str:
    return json.dumps([dict(scores) for scores in reports])


def read_history(connection: Connection, study: str, since: int) -> list[Trial]:
    """What strategies were told from place `since` on; `Store.history` says the rest."""
    no_trace = cast(null(), Text).label("trace")
    first = select(trials.c.told, trials.c.number, no_trace).where(trials.c.study == study, trials.c.told >= since)
    again = select(repeats.c.told, repeats.c.number, repeats.c.trace)
    again = again.where(repeats.c.study == study, repeats.c.told >= since)
    tells = union_all(first, again).subquery()
    told = connection.execute(select(tells).order_by(tells.c.told)).all()
    wanted = rows_of(study).where(trials.c.number.in_(select(tells.c.number)))
    known = {trial.number: trial for trial in map(trial_of, connection.execute(wanted))}
    # a repeat is its trial again, by way of another trace
    return [
        replace(known[row.number], trace=_trace(row.trace), told=row.told) if row.trace else known[row.number]
        for row in told
    ]


def get(connection: Connection, study: str, number: int) -> Trial:
    """A trial.

    Raises:
        StoreError: there is none of this number.
    """
    row = connection.execute(rows_of(study).where(trials.c.number == number)).first()
    if row is None:
        raise StoreError(f"study {study!r} has no trial {number}")
    return trial_of(row)


def add(connection: Connection, study: str, trial: Trial) -> None:
    """Write a trial that begins."""
    row = {name: getattr(trial, name) for name in ("number", "key", "genotype", "seed", "slot")}
    start = {"study": study, "state": trial.state.value, "trace": trace_text(trial.trace), "reports": "[]"}
    connection.execute(trials.insert().values(row | start))


def of_key(connection: Connection, study: str, key: str, slot: int) -> Trial | None:
    """A driver's trial of a key, if it has one."""
    row = connection.execute(rows_of(study).where(trials.c.key == key, trials.c.slot == slot)).first()
    return trial_of(row) if row else None


def last_told(connection: Connection, study: str, number: int, trace: str) -> int | None:
    """The place at which a trial's last repeat by way of a trace was told; None where it was not."""
    same = repeats.c.study == study, repeats.c.number == number, repeats.c.trace == trace
    place: int | None = connection.execute(
        select(repeats.c.told).where(*same).order_by(repeats.c.repeat.desc())
    ).scalar()
    return place


def attempt_of(trial: Trial) -> tuple[int, int]:
    """Which evaluation of the trial this is: by whom, and the how manieth."""
    return trial.slot, trial.attempts


def change_running(
    connection: Connection, study: str, number: int, values: Mapping[str, Any], known: Trial | None
) -> Trial:
    """Set columns of a running trial, provided that nobody has begun it anew since it was as `known`.

    Raises:
        TakenOver: somebody has.
        NotRunning: it has ended.
        StoreError: there is no such trial.
    """
    where = [trials.c.study == study, trials.c.number == number, trials.c.state == State.running.value]
    where += [trials.c.slot == known.slot, trials.c.attempts == known.attempts] if known else []
    row = connection.execute(update(trials).where(*where).values(dict(values)).returning(*ROW)).first()
    if row:
        return trial_of(row)
    found = get(connection, study, number)
    name = f"trial {number} of study {study!r}"
    if known and attempt_of(found) != attempt_of(known):
        raise TakenOver(f"{name} was begun anew by the driver in slot {found.slot} (attempt {found.attempts})")
    raise NotRunning(f"{name} has ended ({found.state}): it cannot change any more")


def uncount(connection: Connection, study: str, slot: int, but: Collection[Trial]) -> None:
    """Take the last attempt off a driver's running trials, but those that are still as they were read."""
    theirs = trials.c.study == study, trials.c.slot == slot, trials.c.state == State.running.value
    others = (or_(trials.c.number != trial.number, trials.c.attempts != trial.attempts) for trial in but)
    connection.execute(update(trials).where(*theirs, *others).values(attempts=trials.c.attempts - 1))


def _trace(text: str) -> Trace:
    return trace_from_json(json.loads(text))
