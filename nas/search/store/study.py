"""A study's row, its counters, and the slots of its drivers."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update
from sqlalchemy.exc import IntegrityError

from nas.search.store.database import Database
from nas.search.store.errors import StoreError, damaged
from nas.search.store.schema import drivers, repeats, studies, trials
from search_spaces.naming import dotted

CONTENTS = "contents"
"""Field of a search's configuration: fingerprints of its data. Studies of version 0.1 lack it."""

Pulse = tuple[int, int]
"""A driver's heartbeats and proposals, two counters that grow while it lives."""


@dataclass(frozen=True)
class Study:
    """A study of a database. Methods with a connection run within the caller's transaction."""

    database: Database
    name: str

    def enter(self) -> None:
        """Create the study if it is missing, with slot 0 for its first driver.

        Raises:
            StoreError: the study's counters contradict its rows.
        """
        if self.database.read(self._missing):
            # another process may create it at the same time, which is as good
            with suppress(IntegrityError):
                self.database.write(self._make, lambda connection: None)
        self.database.read(self._refuse_damage)

    def join(
        self, driver: str, config: Mapping[str, Any], migrated: Callable[[dict[str, Any]], Mapping[str, Any]]
    ) -> int:
        """The slot of a driver: its earlier one, or a free one; see `Store.join`."""

        def take(connection: Connection) -> int:
            # begins with a write, which locks the study: a driver that joins at the same time waits
            change = update(studies).where(studies.c.name == self.name)
            kept, given = connection.execute(
                change.values(told=studies.c.told).returning(studies.c.config, studies.c.drivers)
            ).one()
            mine = drivers.c.study == self.name, drivers.c.driver.in_((driver, ""))
            slot = connection.execute(select(drivers.c.slot).where(*mine).order_by(drivers.c.slot)).scalar()
            if slot is None or given > 1:
                _refuse_others(self.name, migrated(json.loads(kept)) if kept else {}, config)
            connection.execute(change.values(config=json.dumps(config)))
            if slot is None:
                slot = self.next(connection, "drivers") or 0
                connection.execute(drivers.insert().values(study=self.name, slot=slot, driver=driver))
            connection.execute(update(drivers).where(*self._driver(slot)).values(driver=driver))
            return slot

        return self.database.write(take, lambda connection: None)

    def beat(self, slot: int) -> dict[int, Pulse]:
        """Write a driver's heartbeat and read every driver's pulse, by slot. Does not wait for the database."""
        with self.database.writing.begin() as connection:
            connection.execute(update(drivers).where(*self._driver(slot)).values(beats=drivers.c.beats + 1))
            columns = (drivers.c.slot, drivers.c.beats, drivers.c.asked)
            rows = connection.execute(select(*columns).where(drivers.c.study == self.name))
            return {row.slot: (row.beats, row.asked) for row in rows}

    def next(self, connection: Connection, counter: str, below: int | None = None) -> int | None:
        """Take the next number of one of the study's counters; None if it has reached `below`."""
        column = studies.c[counter]
        raised = update(studies).where(studies.c.name == self.name).values({column: column + 1}).returning(column)
        count = connection.execute(raised if below is None else raised.where(column < below)).scalar()
        return None if count is None else int(count) - 1

    def asked(self, connection: Connection, slot: int) -> int:
        """Number of proposals a driver has taken."""
        return int(connection.execute(select(drivers.c.asked).where(*self._driver(slot))).scalar_one())

    def ask(self, connection: Connection, slot: int, *, new: bool, drawn: bool = False) -> None:
        """Count a driver's proposal, and its consecutive proposals that were not new; a random draw cancels one of them."""
        asked = {"asked": drivers.c.asked + 1, "stale": 0 if new else drivers.c.stale + 1}
        change = {"stale": drivers.c.stale - 1} if drawn else asked
        connection.execute(update(drivers).where(*self._driver(slot)).values(change))

    def stale(self, connection: Connection, slot: int) -> int:
        """Number of a driver's latest consecutive proposals that were not new, less the random draws since."""
        return int(connection.execute(select(drivers.c.stale).where(*self._driver(slot))).scalar_one())

    def trials(self, connection: Connection) -> int:
        """Number of the study's trials in any state."""
        return int(connection.execute(select(studies.c.trials).where(studies.c.name == self.name)).scalar_one())

    def rejected(self, connection: Connection) -> int:
        """Number of rejected proposals of all drivers."""
        return int(connection.execute(select(studies.c.rejected).where(studies.c.name == self.name)).scalar_one())

    def _driver(self, slot: int) -> tuple[ColumnElement[bool], ...]:
        return drivers.c.study == self.name, drivers.c.slot == slot

    def _missing(self, connection: Connection) -> bool:
        return connection.execute(select(studies.c.name).where(studies.c.name == self.name)).first() is None

    def _make(self, connection: Connection) -> None:
        connection.execute(studies.insert().values(name=self.name, trials=0, repeats=0, told=0))
        connection.execute(drivers.insert().values(study=self.name, slot=0, driver=""))

    def _refuse_damage(self, connection: Connection) -> None:
        """Compare the counters with the rows: a damaged file may lack rows and still read without an error."""
        held = select(func.count()).where(trials.c.study == self.name).scalar_subquery()
        ended = select(func.count(trials.c.told)).where(trials.c.study == self.name).scalar_subquery()
        again = select(func.count(repeats.c.told)).where(repeats.c.study == self.name).scalar_subquery()
        counts = select(studies.c.trials, studies.c.told, held, ended + again).where(studies.c.name == self.name)
        row = connection.execute(counts).one()
        if tuple(row[:2]) != tuple(row[2:]):
            how = f"study {self.name!r} counts {row[0]} trials and {row[1]} answers, and holds {row[2]} and {row[3]}"
            raise StoreError(damaged(self.database.place, how))


def _refuse_others(study: str, kept: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    theirs, ours = dict(dotted(kept)), dict(dotted(config))
    names = theirs | ours if CONTENTS in kept else {name for name in theirs | ours if not name.startswith(CONTENTS)}
    differing = [name for name in sorted(names) if theirs.get(name) != ours.get(name)]
    if kept and differing:
        fields = "; ".join(f"{name} is {theirs.get(name)!r} there, {ours.get(name)!r} here" for name in differing)
        raise StoreError(f"study {study!r} is another search: {fields}. Give the same, or another --study")
