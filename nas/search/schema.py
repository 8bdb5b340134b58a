"""The tables of a store, and how a database that holds them is opened."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    inspect,
    select,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError

VERSION = 1

_METADATA = MetaData()

versions = Table("fusion_nas", _METADATA, Column("version", Integer, primary_key=True))

studies = Table(
    "studies",
    _METADATA,
    Column("name", String(200), primary_key=True),
    # counters, not max(): raising one locks its row, so drivers that share a study take turns
    Column("trials", Integer, nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("told", Integer, nullable=False),
    Column("rejected", Integer, nullable=False, server_default="0"),
)

trials = Table(
    "trials",
    _METADATA,
    Column("study", String(200), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("key", String(200), nullable=False),
    Column("trace", Text, nullable=False),
    Column("genotype", Text, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("reports", Text, nullable=False),
    Column("seconds", Float),
    Column("error", Text),
    Column("told", Integer),
    UniqueConstraint("study", "key"),
    ForeignKeyConstraint(["study"], [studies.c.name]),
)

repeats = Table(
    "repeats",
    _METADATA,
    Column("study", String(200), primary_key=True),
    Column("repeat", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("trace", Text, nullable=False),
    Column("told", Integer),
    ForeignKeyConstraint(["study", "number"], [trials.c.study, trials.c.number]),
)


class StoreError(RuntimeError):
    """A store cannot be opened, or was asked for what it does not allow."""


@dataclass(frozen=True)
class Database:
    """Three ways into one pool of connections."""

    reading: Engine
    writing: Engine
    """Outlives the driver: what it commits is the operating system's to write."""
    lasting: Engine
    """Outlives the power, too, as does all that was committed before: it waits for the disk."""


def open_database(url: str) -> Database:
    """Open or create a store's database.

    Args:
        url: any SQLAlchemy URL; without `://`, the path of an SQLite file.

    Raises:
        StoreError: the URL makes no sense, the file is no store, or another release wrote it.
    """
    target = _parse(url)
    place = target.database if _is_sqlite(target) else target.render_as_string(hide_password=True)
    try:
        engine = create_engine(target)
        database = Database(engine, engine.execution_options(), engine.execution_options())
        if _is_sqlite(target):
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(database.writing, "begin", partial(_begin_sqlite, "NORMAL"))
            event.listen(database.lasting, "begin", partial(_begin_sqlite, "FULL"))
        _check(database, str(place))
    except NoSuchModuleError as error:
        raise StoreError(f"store {place}: no driver for {target.drivername!r} is installed") from error
    except DatabaseError as error:
        raise StoreError(
            f"{place} cannot be opened as a store ({error.orig}): name a store, or a new file in an existing folder"
        ) from error
    return database


def _parse(url: str) -> URL:
    try:
        return make_url(url) if "://" in url else URL.create("sqlite", database=str(Path(url)))
    except ArgumentError as error:
        raise StoreError(f"{url!r} is no SQLAlchemy URL: write sqlite:///FILE or postgresql://...") from error


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Let readers read while one writes, and wait for another writer rather than fail."""
    connection.isolation_level = None  # the driver would begin transactions late: see _begin_sqlite
    for pragma in ("busy_timeout=60000", "journal_mode=WAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(synchronous: str, connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA synchronous={synchronous}")
    # a transaction that reads first and writes later could not wait for another writer, only fail
    driver.execute("BEGIN IMMEDIATE")


def _check(database: Database, place: str) -> None:
    tables = inspect(database.reading).get_table_names()
    if versions.name not in tables:
        if tables and database.reading.dialect.name == "sqlite":
            raise StoreError(f"{place} is a database but no store (tables {tables[:3]}): name another file")
        with database.lasting.begin() as connection:
            _create(connection)
    with database.reading.connect() as connection:
        version = connection.execute(select(versions.c.version)).scalar()
    if version != VERSION:
        raise StoreError(
            f"{place} is a store of schema version {version}, this release reads version {VERSION}: "
            "open it with the release that wrote it, or start a new run"
        )


def _create(connection: Connection) -> None:
    _METADATA.create_all(connection)
    if connection.execute(select(versions.c.version)).scalar() is None:
        connection.execute(versions.insert().values(version=VERSION))
