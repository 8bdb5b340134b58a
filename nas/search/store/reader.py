"""What a study holds: its counters, its trials and their history."""

from typing import Any

from sqlalchemy import Select

from nas.search.store import rows
from nas.search.store.database import open_database
from nas.search.store.schema import trials
from nas.search.store.study import Study
from nas.search.types import State, Trial


class StoreReader:
    """Opens a study and reads it; see `Store`, which also changes it."""

    def __init__(self, url: str, study: str) -> None:
        self.study = study
        self.slot = 0
        self.joined = False
        self._rows = rows.rows_of(study)
        self._database = open_database(url)
        self.place = self._database.place
        self._study = Study(self._database, study)
        self._study.enter()

    @property
    def asked(self) -> int:
        """Number of proposals this driver has taken from its strategy: new, repeated and rejected ones."""
        return self._database.read(lambda connection: self._study.asked(connection, self.slot))

    @property
    def stale(self) -> int:
        """Number of latest consecutive proposals that were repeated or rejected, less the random draws since."""
        return self._database.read(lambda connection: self._study.stale(connection, self.slot))

    @property
    def rejected(self) -> int:
        """Number of proposals rejected by the search's constraints."""
        return self._database.read(self._study.rejected)

    @property
    def count(self) -> int:
        """Number of the study's trials in any state."""
        return self._database.read(self._study.trials)

    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        return self._read(self._rows.order_by(trials.c.number))

    def running(self) -> list[Trial]:
        """The running trials of all drivers, by number."""
        return self._read(self._rows.where(trials.c.state == State.running.value).order_by(trials.c.number))

    def find(self, key: str) -> Trial | None:
        """The trial of this key; None if there is none."""
        return next(iter(self._read(self._rows.where(trials.c.key == key))), None)

    def history(self, since: int = 0) -> list[Trial]:
        """All tells in order: ended trials, and repeats as their trial with the repeat's trace.

        Args:
            since: first position to return.
        """
        return self._database.read(lambda connection: rows.read_history(connection, self.study, since))

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._database.reading.dispose()

    def _read(self, query: Select[Any]) -> list[Trial]:
        return self._database.read(lambda connection: [rows.trial_of(row) for row in connection.execute(query)])
