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
    """Query of every trial of a study, unordered."""
    return select(*ROW).where(trials.c.study == study)


def trial_of(row: Row[Any]) -> Trial:
    """The trial of a row.

    Raises:
        DamagedRow: the row does not parse.
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
    """The study's history from position `since` on; see `Store.history`."""
    no_trace = cast(null(), Text).label("trace")
    first = select(trials.c.told, trials.c.number, no_trace).where(trials.c.study == study, trials.c.told >= since)
    again = select(repeats.c.told, repeats.c.number, repeats.c.trace)
    again = again.where(repeats.c.study == study, repeats.c.told >= since)
    tells = union_all(first, again).subquery()
    told = connection.execute(select(tells).order_by(tells.c.told)).all()
    wanted = rows_of(study).where(trials.c.number.in_(select(tells.c.number)))
    known = {trial.number: trial for trial in map(trial_of, connection.execute(wanted))}
    # a repeat is its trial with another trace
    return [
        replace(known[row.number], trace=_trace(row.trace), told=row.told) if row.trace else known[row.number]
        for row in told
    ]


def get(connection: Connection, study: str, number: int) -> Trial:
    """A trial.

    Raises:
        StoreError: the study has no trial of this number.
    """
    row = connection.execute(rows_of(study).where(trials.c.number == number)).first()
    if row is None:
        raise StoreError(f"study {study!r} has no trial {number}")
    return trial_of(row)


def add(connection: Connection, study: str, trial: Trial) -> None:
    """Insert a new trial."""
    row = {name: getattr(trial, name) for name in ("number", "key", "genotype", "seed", "slot")}
    start = {"study": study, "state": trial.state.value, "trace": trace_text(trial.trace), "reports": "[]"}
    connection.execute(trials.insert().values(row | start))


def of_key(connection: Connection, study: str, key: str, slot: int) -> Trial | None:
    """A driver's trial of a key; None if it has none."""
    row = connection.execute(rows_of(study).where(trials.c.key == key, trials.c.slot == slot)).first()
    return trial_of(row) if row else None


def last_told(connection: Connection, study: str, number: int, trace: str) -> int | None:
    """Position in the history of a trial's last repeat by a trace; None if it was not told."""
    same = repeats.c.study == study, repeats.c.number == number, repeats.c.trace == trace
    place: int | None = connection.execute(
        select(repeats.c.told).where(*same).order_by(repeats.c.repeat.desc())
    ).scalar()
    return place


def attempt_of(trial: Trial) -> tuple[int, int]:
    """Identifies one attempt at a trial: (driver slot, attempt number)."""
    return trial.slot, trial.attempts


def change_running(
    connection: Connection, study: str, number: int, values: Mapping[str, Any], known: Trial | None
) -> Trial:
    """Set columns of a running trial, provided that its attempt is still that of `known`.

    Raises:
        TakenOver: another driver has restarted the trial.
        NotRunning: the trial has ended.
        StoreError: the trial does not exist.
    """
    where = [trials.c.study == study, trials.c.number == number, trials.c.state == State.running.value]
    where += [trials.c.slot == known.slot, trials.c.attempts == known.attempts] if known else []
    row = connection.execute(update(trials).where(*where).values(dict(values)).returning(*ROW)).first()
    if row:
        return trial_of(row)
    found = get(connection, study, number)
    name = f"trial {number} of study {study!r}"
    if known and attempt_of(found) != attempt_of(known):
        raise TakenOver(f"{name} was restarted by the driver in slot {found.slot} (attempt {found.attempts})")
    raise NotRunning(f"{name} has ended ({found.state}): it cannot change any more")


def uncount(connection: Connection, study: str, slot: int, but: Collection[Trial]) -> None:
    """Decrement the attempts of a driver's running trials, without those unchanged since they were read (`but`)."""
    own = trials.c.study == study, trials.c.slot == slot, trials.c.state == State.running.value
    others = (or_(trials.c.number != trial.number, trials.c.attempts != trial.attempts) for trial in but)
    connection.execute(update(trials).where(*own, *others).values(attempts=trials.c.attempts - 1))


def _trace(text: str) -> Trace:
    return trace_from_json(json.loads(text))
