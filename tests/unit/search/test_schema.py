"""Opening a store: files, databases and versions that are accepted or refused."""

import sqlite3
import sys
from pathlib import Path

import pytest
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from nas.search.store import Store, StoreError
from nas.search.store.database import open_database
from nas.search.store.schema import VERSION
from nas.search.types import State


def test_a_path_is_an_sqlite_file(tmp_path: Path) -> None:
    Store(str(tmp_path / "study.db"))
    assert (tmp_path / "study.db").exists()


def test_the_end_of_a_trial_is_synced_to_disk(tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "study.db"))
    for engine, synchronous in ((database.writing, 1), (database.lasting, 2), (database.writing, 1)):
        with engine.begin() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous


def test_studies_of_one_store_are_separate(tmp_path: Path) -> None:
    url = str(tmp_path / "study.db")
    Store(url, "one").create(key="a", trace={}, genotype="{}", seed=0)
    assert Store(url, "two").trials() == []


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but long enough to be looked at as one " * 20)
    with pytest.raises(StoreError, match=r"notes\.txt cannot be opened as a store"):
        Store(str(file))


def test_a_store_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"study\.db cannot be opened as a store .*existing folder"):
        Store(str(tmp_path / "nowhere" / "study.db"))


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE cats (name)")
    with pytest.raises(StoreError, match=r"other\.db is a database but no store \(tables \['cats'\]\)"):
        Store(str(tmp_path / "other.db"))


def test_a_store_of_another_schema_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    Store(str(file)).close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE fusion_nas SET version = 99")
    with pytest.raises(
        StoreError, match=rf"study\.db is a store of schema version 99, this release reads version {VERSION}"
    ):
        Store(str(file))


@pytest.mark.parametrize("url", ["nonsense://x/y", "http//:://", "postgresql://host:port/db"])
def test_an_unusable_url_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        Store(url)


def test_delayed_reports_are_written_when_their_trial_ends(tmp_path: Path) -> None:
    store, other = Store(str(tmp_path / "a.db"), report_every=3600), Store(str(tmp_path / "a.db"))
    number = store.create(key="k", trace={}, genotype="{}", seed=0).number
    for ap in (0.1, 0.2):
        last = store.report(number, {"ap": ap})
    assert [scores["ap"] for scores in last.reports] == [0.1, 0.2]
    assert other.trials()[0].reports == ()
    store.end(number, State.finished, seconds=1.0)
    assert [scores["ap"] for scores in other.trials()[0].reports] == [0.1, 0.2]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://host/study", r"not in 'mysql': write sqlite:///FILE or postgresql://HOST/DATABASE$"),
        (
            "postgresql+psycopg2://me:secret@host/study",
            r"^a store lies in SQLite or in PostgreSQL by psycopg, not in",
        ),
        ("postgresql+asyncpg://host/study", r"not in 'postgresql\+asyncpg': write "),
        (
            "postgres://127.0.0.1:1/study",
            r"postgresql\+psycopg://127\.0\.0\.1:1/study cannot be opened as a store .*connection",
        ),
    ],
)
def test_an_unsupported_or_unreachable_database_is_refused(url: str, says: str) -> None:
    with pytest.raises(StoreError, match=says):
        Store(url)


def test_a_missing_psycopg_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"psycopg is not installed: `pip install 'fusion-nas\[postgres\]'`$"):
        Store("postgresql://host/study")


def test_a_database_without_update_returning_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SQLiteDialect, "update_returning", False)
    with pytest.raises(StoreError, match=r"this SQLite lacks UPDATE \.\.\. RETURNING: install SQLite 3\.35"):
        Store(str(tmp_path / "study.db"))
