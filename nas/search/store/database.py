"""How the database of a store is opened, and waited for while it is away or locked."""

import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError

from nas.search.store import schema
from nas.search.store.errors import DamagedRow, StoreError, damaged

PATIENCE_S = 600.0
"""Seconds that a database may be away, or locked by another process, before whoever needs it gives up."""
LONGEST_PAUSE_S = 5.0
"""Seconds between two tries at most."""

_LOCKED_MS = 2000
"""Waiting for another process's lock on SQLite's file takes so long unseen; longer, and it is told of."""
_POSTGRES: dict[str, str | int] = {
    "connect_timeout": 10,
    # a server whose machine vanished without a word is noticed
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "tcp_user_timeout": 30_000,
    # and a driver's that vanished, or was suspended, within a transaction: nobody waits for its locks without end
    "options": f"-c lock_timeout={5 * _LOCKED_MS} -c idle_in_transaction_session_timeout={5 * _LOCKED_MS}",
}
"""How to connect to PostgreSQL, where the URL says nothing else."""
_PSYCOPG = "postgresql+psycopg"
_POSTGRES_DISK_FULL, _POSTGRES_IDLE = "53100", "25P03"
_LOG = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Database:
    """Three ways into one pool of connections.

    Its methods try again, visibly and for `PATIENCE_S` at most, while the database is away or locked. What else
    goes wrong is a `StoreError` that says what to do; a violated constraint is raised as it is.
    """

    place: str
    """The file, or the URL without its password."""
    reading: Engine
    writing: Engine
    """Outlives the driver: what it commits is the operating system's to write."""
    lasting: Engine
    """Outlives the power, too, as does all that was committed before: it waits for the disk."""

    def read(self, query: Callable[[Connection], T]) -> T:
        def attempt(_: bool) -> T:
            with self.reading.connect() as connection:
                return query(connection)

        return self.patiently(attempt)

    def write(
        self, change: Callable[[Connection], T], done: Callable[[Connection], T | None], *, lasting: bool = False
    ) -> T:
        """Carry a transaction out exactly once.

        Args:
            change: what it does.
            done: what `change` came to, if an earlier try of it was committed; else None. Asked after a try that was
                cut off: the database may have gone away before it was committed, or just after.
        """

        def attempt(again: bool) -> T:
            with (self.lasting if lasting else self.writing).begin() as connection:
                if again and (outcome := done(connection)) is not None:
                    return outcome
                return change(connection)

        return self.patiently(attempt)

    def patiently(self, attempt: Callable[[bool], T]) -> T:
        """What `attempt` comes to, which is told whether it has been tried before."""
        start, tries = time.monotonic(), 0
        while True:
            try:
                outcome = attempt(tries > 0)
            except IntegrityError:
                raise
            except (DamagedRow, UnicodeDecodeError) as fault:
                raise StoreError(damaged(self.place, str(fault))) from fault
            except DBAPIError as error:
                waited = time.monotonic() - start
                if not _passes(error) or waited > PATIENCE_S:
                    raise StoreError(_explain(error, self.place, waited)) from error
                _LOG.warning("%s: %s; trying again (%.0f of %.0f s)", self.place, _cause(error), waited, PATIENCE_S)
                tries += 1
                time.sleep(min(0.1 * 2**tries, LONGEST_PAUSE_S))
            else:
                if tries:
                    _LOG.warning("%s: is back after %.0f s", self.place, time.monotonic() - start)
                return outcome


def open_database(url: str) -> Database:
    """Open or create a store's database; one of an earlier release is brought up to date.

    Args:
        url: as `parse_url` reads it.

    Raises:
        StoreError: the URL makes no sense, the file is damaged or no store, or a later release wrote it.
    """
    target = parse_url(url)
    place = target.database or "memory" if _is_sqlite(target) else target.render_as_string(hide_password=True)
    try:
        engine = create_engine(target, connect_args=_settings(target))
    except ModuleNotFoundError as error:
        raise StoreError(f"store {place}: psycopg is not installed: `pip install 'fusion-nas[postgres]'`") from error
    if not engine.dialect.update_returning:
        raise StoreError(f"store {place}: this SQLite cannot UPDATE ... RETURNING: it takes 3.35 or newer")
    database = Database(place, engine, engine.execution_options(), engine.execution_options())
    if _is_sqlite(target):
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(database.writing, "begin", partial(_begin_sqlite, "NORMAL"))
        event.listen(database.lasting, "begin", partial(_begin_sqlite, "FULL"))
    database.patiently(lambda _: _check(database))
    return database


def parse_url(url: str) -> URL:
    """The URL of a store; SQLite's with an absolute path, so that it holds in any directory.

    Args:
        url: SQLAlchemy's, of SQLite or of PostgreSQL by psycopg; without `://`, the path of an SQLite file.

    Raises:
        StoreError: it is none.
    """
    try:
        target = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except (ArgumentError, ValueError) as error:  # the latter for a port that is no number
        raise StoreError(f"{url!r} is no SQLAlchemy URL: write sqlite:///FILE or postgresql://...") from error
    # which driver the first names depends on SQLAlchemy's release; the second is what many hosts write
    if target.drivername in ("postgresql", "postgres"):
        return target.set(drivername=_PSYCOPG)
    # what is known of time-outs and of errors that pass is known of these
    if target.drivername not in ("sqlite", "sqlite+pysqlite", _PSYCOPG):
        raise StoreError(
            f"a store lies in SQLite, or in PostgreSQL by psycopg, and not in {target.drivername!r}: "
            "write sqlite:///FILE or postgresql://HOST/DATABASE"
        )
    if _is_sqlite(target) and target.database and not target.database.startswith((":", "file:")):
        return target.set(database=str(Path(target.database).expanduser().resolve()))
    return target


def in_memory(url: URL) -> bool:
    return _is_sqlite(url) and url.database in (None, "", ":memory:")


def _settings(url: URL) -> dict[str, str | int]:
    if _is_sqlite(url):
        return {}
    return {name: value for name, value in _POSTGRES.items() if name not in url.query}


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Let readers read while one writes, and wait for another writer rather than fail."""
    connection.isolation_level = None  # the driver would begin transactions late: see _begin_sqlite
    for pragma in (f"busy_timeout={_LOCKED_MS}", "journal_mode=WAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(synchronous: str, connection: Connection) -> None:
    connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
    # a transaction that reads first and writes later could not wait for another writer, only fail
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check(database: Database) -> None:
    try:
        _open(database, sqlite=database.reading.dialect.name == "sqlite")
    except DBAPIError as error:
        cause = _cause(error)
        if "locked" in cause:
            raise
        if "malformed" in cause:
            raise StoreError(damaged(database.place, cause)) from error
        hint = "name a store that can be reached, or a new file in an existing folder"
        raise StoreError(f"{database.place} cannot be opened as a store ({cause}): {hint}") from error


def _open(database: Database, *, sqlite: bool) -> None:
    tables = inspect(database.reading).get_table_names()
    if schema.versions.name not in tables:
        if tables and sqlite:
            raise StoreError(f"{database.place} is a database but no store (tables {tables[:3]}): name another file")
        with database.lasting.begin() as connection:
            schema.create(connection)
    with database.reading.connect() as connection:
        if sqlite and (found := connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()) != "ok":
            raise StoreError(damaged(database.place, str(found)))
        version = schema.version_of(connection)
    if version in schema.OLDER:
        with database.lasting.begin() as connection:
            version = schema.migrate(connection)
    if version != schema.VERSION:
        raise StoreError(
            f"{database.place} is a store of schema version {version}, this release reads version {schema.VERSION}: "
            "open it with the release that wrote it, or start a new run"
        )


def _passes(error: DBAPIError) -> bool:
    """Whether it may be over if one waits: the database is away, or another process has it locked."""
    if isinstance(error.orig, sqlite3.Error):
        return "locked" in str(error.orig)
    state = getattr(error.orig, "sqlstate", None)
    away = isinstance(error, OperationalError) and state != _POSTGRES_DISK_FULL
    return away or error.connection_invalidated or state == _POSTGRES_IDLE


def _cause(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())


def _explain(error: DBAPIError, place: str, waited: float) -> str:
    cause = _cause(error)
    if _passes(error):
        return f"{place} was waited for {waited:.0f} s ({cause}): see that it can be reached, then go on with the run"
    if any(word in cause for word in ("malformed", "not a database", "decode")):
        return damaged(place, cause)
    if "full" in cause or "No space" in cause or "disk I/O" in cause:
        return f"{place} cannot be written ({cause}): make room, then go on with the run; no ended trial is lost"
    return f"{place}: {cause}"
