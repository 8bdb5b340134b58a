"""The database of a store: opening, transactions, and retries while it is unreachable or locked."""

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
"""Seconds of retries on an unreachable or locked database before a call fails."""
LONGEST_PAUSE_S = 5.0
"""Upper bound of the pause between two tries, s."""

_LOCKED_MS = 2000
"""How long SQLite waits for another process's lock before the retry is logged, ms."""
_POSTGRES: dict[str, str | int] = {
    "connect_timeout": 10,
    # detect a server whose machine is gone
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "tcp_user_timeout": 30_000,
    # bound the wait for locks of a driver that died or was suspended within a transaction
    "options": f"-c lock_timeout={5 * _LOCKED_MS} -c idle_in_transaction_session_timeout={5 * _LOCKED_MS}",
}
"""Connection settings of PostgreSQL; the URL's own take precedence."""
_PSYCOPG = "postgresql+psycopg"
_POSTGRES_DISK_FULL, _POSTGRES_IDLE = "53100", "25P03"
_LOG = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Database:
    """Three engines over one pool of connections.

    Methods retry, with a log message and for up to `PATIENCE_S`, while the database is unreachable or locked. Other
    errors become a `StoreError` that names the fix; a violated constraint is raised unchanged.
    """

    place: str
    """The file, or the URL without its password."""
    reading: Engine
    writing: Engine
    """Commits survive a crash of the process (synchronous=NORMAL)."""
    lasting: Engine
    """Commits, with all earlier ones, survive a power failure (synchronous=FULL)."""

    def read(self, query: Callable[[Connection], T]) -> T:
        def attempt(_: bool) -> T:
            with self.reading.connect() as connection:
                return query(connection)

        return self.patiently(attempt)

    def write(
        self, change: Callable[[Connection], T], done: Callable[[Connection], T | None], *, lasting: bool = False
    ) -> T:
        """Run a transaction exactly once.

        Args:
            change: the transaction.
            done: the result of `change` if an earlier try was committed, else None. Called after an interrupted try:
                the connection may have been lost before the commit, or just after.
        """

        def attempt(again: bool) -> T:
            with (self.lasting if lasting else self.writing).begin() as connection:
                if again and (outcome := done(connection)) is not None:
                    return outcome
                return change(connection)

        return self.patiently(attempt)

    def patiently(self, attempt: Callable[[bool], T]) -> T:
        """The result of `attempt`, retried; its argument is whether it was tried before."""
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
                if not _is_transient(error) or waited > PATIENCE_S:
                    raise StoreError(_explain(error, self.place, waited)) from error
                _LOG.warning("%s: %s; trying again (%.0f of %.0f s)", self.place, _cause(error), waited, PATIENCE_S)
                tries += 1
                time.sleep(min(0.1 * 2**tries, LONGEST_PAUSE_S))
            else:
                if tries:
                    _LOG.warning("%s: is back after %.0f s", self.place, time.monotonic() - start)
                return outcome


def open_database(url: str) -> Database:
    """Open or create a store's database, and migrate one of an earlier release.

    Args:
        url: as `parse_url` reads it.

    Raises:
        StoreError: the URL is invalid, the file is damaged or no store, or a later release wrote it.
    """
    target = parse_url(url)
    place = target.database or "memory" if _is_sqlite(target) else target.render_as_string(hide_password=True)
    try:
        engine = create_engine(target, connect_args=_settings(target))
    except ModuleNotFoundError as error:
        raise StoreError(f"store {place}: psycopg is not installed: `pip install 'fusion-nas[postgres]'`") from error
    if not engine.dialect.update_returning:
        raise StoreError(f"store {place}: this SQLite lacks UPDATE ... RETURNING: install SQLite 3.35 or newer")
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
        StoreError: the URL is invalid.
    """
    try:
        target = make_url(url) if "://" in url else URL.create("sqlite", database=url)
    except (ArgumentError, ValueError) as error:  # ValueError: a port that is not a number
        raise StoreError(f"{url!r} is not a SQLAlchemy URL: write sqlite:///FILE or postgresql://...") from error
    # SQLAlchemy's default driver of the first depends on its release; many hosts write the second
    if target.drivername in ("postgresql", "postgres"):
        return target.set(drivername=_PSYCOPG)
    # time-outs and transient errors are handled for these drivers only
    if target.drivername not in ("sqlite", "sqlite+pysqlite", _PSYCOPG):
        raise StoreError(
            f"a store lies in SQLite or in PostgreSQL by psycopg, not in {target.drivername!r}: "
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
    """Allow reads during a write (WAL), and wait for another writer instead of failing."""
    connection.isolation_level = None  # sqlite3 would begin transactions late: see _begin_sqlite
    for pragma in (f"busy_timeout={_LOCKED_MS}", "journal_mode=WAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(synchronous: str, connection: Connection) -> None:
    connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
    # a deferred transaction that reads first and writes later fails instead of waiting for another writer
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


def _is_transient(error: DBAPIError) -> bool:
    """Whether the error is transient: the database is unreachable, or locked by another process."""
    if isinstance(error.orig, sqlite3.Error):
        return "locked" in str(error.orig)
    state = getattr(error.orig, "sqlstate", None)
    away = isinstance(error, OperationalError) and state != _POSTGRES_DISK_FULL
    return away or error.connection_invalidated or state == _POSTGRES_IDLE


def _cause(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())


def _explain(error: DBAPIError, place: str, waited: float) -> str:
    cause = _cause(error)
    if _is_transient(error):
        return f"{place} was unreachable for {waited:.0f} s ({cause}): make it reachable, then resume the run"
    if any(word in cause for word in ("malformed", "not a database", "decode")):
        return damaged(place, cause)
    if "full" in cause or "No space" in cause or "disk I/O" in cause:
        return f"{place} cannot be written ({cause}): free disk space, then resume the run; no ended trial is lost"
    return f"{place}: {cause}"
