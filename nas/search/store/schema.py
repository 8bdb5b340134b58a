"""The tables of a store, and migrations from earlier versions."""

from collections.abc import Callable, Mapping

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    select,
    text,
    update,
)

VERSION = 3

_METADATA = MetaData()

versions = Table("fusion_nas", _METADATA, Column("version", Integer, primary_key=True))

studies = Table(
    "studies",
    _METADATA,
    Column("name", String(200), primary_key=True),
    # counters, not max(): an increment locks the row, so concurrent drivers are serialised
    Column("trials", Integer, nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("told", Integer, nullable=False),
    Column("rejected", Integer, nullable=False, server_default="0"),
    Column("drivers", Integer, nullable=False, server_default="1"),
    Column("config", Text),
)

drivers = Table(
    "drivers",
    _METADATA,
    Column("study", String(200), primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    # empty until a driver joins: the first one takes slot 0
    Column("driver", String(200), nullable=False),
    Column("beats", Integer, nullable=False, server_default="0"),
    Column("asked", Integer, nullable=False, server_default="0"),
    # latest consecutive proposals that were repeated or rejected
    Column("stale", Integer, nullable=False, server_default="0"),
    ForeignKeyConstraint(["study"], [studies.c.name]),
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
    Column("slot", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="1"),
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

# unique: no two tells share a position; and a driver reads the history from a position at every proposal
_TOLD = (
    Index("trials_told", trials.c.study, trials.c.told, unique=True),
    Index("repeats_told", repeats.c.study, repeats.c.told, unique=True),
)


def create(connection: Connection) -> None:
    """Create the tables, unless another process just did."""
    _lock_tables(connection)
    _METADATA.create_all(connection)
    if version_of(connection) is None:
        connection.execute(versions.insert().values(version=VERSION))


def version_of(connection: Connection) -> int | None:
    return connection.execute(select(versions.c.version)).scalar()


def migrate(connection: Connection) -> int:
    """Migrate tables of an `OLDER` version, all within the caller's transaction; returns the new version."""
    _lock_tables(connection)
    for version in range(version_of(connection) or VERSION, VERSION):  # empty if another process just did it
        OLDER[version](connection)
    connection.execute(update(versions).values(version=VERSION))
    return VERSION


def _lock_tables(connection: Connection) -> None:
    """Lock the tables until the transaction ends; SQLite's transactions lock the whole file from the start."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(1598898785)"))  # an arbitrary, fixed number


def _share(connection: Connection) -> None:
    """1 to 2: several drivers may share a study. The only driver gets slot 0 and all proposals."""
    for table, column in (
        ("studies", "rejected INTEGER DEFAULT '0' NOT NULL"),
        ("studies", "drivers INTEGER DEFAULT '1' NOT NULL"),
        ("studies", "config TEXT"),
        ("trials", "slot INTEGER DEFAULT '0' NOT NULL"),
        ("trials", "attempts INTEGER DEFAULT '1' NOT NULL"),
    ):
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column}"))
    drivers.create(connection)
    columns = ["study", "slot", "driver", "asked"]
    alone = select(studies.c.name, text("0"), text("''"), studies.c.trials + studies.c.repeats)
    connection.execute(drivers.insert().from_select(columns, alone))
    for index in _TOLD:
        index.create(connection)


def _count_stale(connection: Connection) -> None:
    """2 to 3: a driver's consecutive proposals that were not new are counted."""
    if "stale" not in {column["name"] for column in inspect(connection).get_columns(drivers.name)}:  # made by `_share`
        connection.execute(text("ALTER TABLE drivers ADD COLUMN stale INTEGER DEFAULT '0' NOT NULL"))


OLDER: Mapping[int | None, Callable[[Connection], None]] = {1: _share, 2: _count_stale}
"""Migration from each earlier version to the next."""
