"""Files that are no stores."""

import sqlite3
from pathlib import Path

import pytest

from nas.search.schema import open_database
from nas.search.store import Store, StoreError


def test_a_path_is_an_sqlite_file(tmp_path: Path) -> None:
    Store(str(tmp_path / "study.db"))
    assert (tmp_path / "study.db").exists()


def test_what_ends_a_trial_waits_for_the_disk(tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "study.db"))
    for engine, synchronous in ((database.writing, 1), (database.lasting, 2), (database.writing, 1)):
        with engine.begin() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous


def test_studies_are_apart(tmp_path: Path) -> None:
    url = str(tmp_path / "study.db")
    Store(url, "one").create(key="a", trace={}, genotype="{}", seed=0)
    assert Store(url, "two").trials() == []


def test_refuses_a_file_of_another_kind(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but long enough to be looked at as one " * 20)
    with pytest.raises(StoreError, match=r"notes\.txt cannot be opened as a store"):
        Store(str(file))


def test_refuses_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"study\.db cannot be opened as a store .*existing folder"):
        Store(str(tmp_path / "nowhere" / "study.db"))


def test_refuses_another_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE cats (name)")
    with pytest.raises(StoreError, match=r"other\.db is a database but no store \(tables \['cats'\]\)"):
        Store(str(tmp_path / "other.db"))


def test_refuses_another_version(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    Store(str(file)).close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE fusion_nas SET version = 99")
    with pytest.raises(StoreError, match=r"study\.db is a store of schema version 99, this release reads version 1"):
        Store(str(file))


@pytest.mark.parametrize("url", ["nonsense://x/y", "http//:://"])
def test_refuses_an_unusable_url(url: str) -> None:
    with pytest.raises(StoreError):
        Store(url)
