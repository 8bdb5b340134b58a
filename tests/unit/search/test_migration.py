"""Stores of earlier schema versions are migrated in one transaction."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, inspect, text

from nas.search.store import Store, StoreError, schema
from nas.search.store.database import parse_url
from nas.search.types import State

VERSION_1 = """
CREATE TABLE fusion_nas (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE studies (
    name VARCHAR(200) NOT NULL, trials INTEGER NOT NULL, repeats INTEGER NOT NULL, told INTEGER NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE trials (
    study VARCHAR(200) NOT NULL, number INTEGER NOT NULL, state VARCHAR(16) NOT NULL, key VARCHAR(200) NOT NULL,
    trace TEXT NOT NULL, genotype TEXT NOT NULL, seed BIGINT NOT NULL, reports TEXT NOT NULL, seconds FLOAT, error TEXT,
    told INTEGER, PRIMARY KEY (study, number), UNIQUE (study, key), FOREIGN KEY(study) REFERENCES studies (name)
);
CREATE TABLE repeats (
    study VARCHAR(200) NOT NULL, repeat INTEGER NOT NULL, number INTEGER NOT NULL, trace TEXT NOT NULL, told INTEGER,
    PRIMARY KEY (study, repeat), FOREIGN KEY(study, number) REFERENCES trials (study, number)
);
INSERT INTO fusion_nas VALUES (1);
INSERT INTO studies VALUES ('default', 3, 2, 3);
INSERT INTO trials VALUES
    ('default', 0, 'finished', 'a', '{"depth": 1}', '{}', 7, '[{"ap": 0.5}]', 2.5, NULL, 1),
    ('default', 1, 'failed', 'b', '{"depth": 2}', '{}', 7, '[]', 0.5, 'KeyError', 0),
    ('default', 2, 'running', 'c', '{"depth": 3}', '{}', 7, '[{"ap": 0.1}]', NULL, NULL, NULL);
INSERT INTO repeats VALUES ('default', 0, 0, '{"depth": 4}', 2), ('default', 1, 2, '{"depth": 5}', NULL)
"""


@pytest.fixture
def old(url: str) -> Engine:
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        for statement in VERSION_1.split(";"):
            connection.execute(text(statement))
    return engine


def test_a_migrated_study_keeps_its_trials_and_resumes(url: str, old: Engine) -> None:
    store = Store(url)
    store.join("first driver", {})
    assert (store.slot, store.asked, store.count) == (0, 5, 3)
    assert [(t.number, t.trace["depth"], t.told) for t in store.history()] == [(1, 2, 0), (0, 1, 1), (0, 4, 2)]
    done, failed, orphan = store.trials()
    assert (done.state, done.reports, done.seconds, done.attempts) == (State.finished, ({"ap": 0.5},), 2.5, 1)
    assert (failed.state, failed.error) == (State.failed, "KeyError")
    store.restart(orphan)
    assert store.end(2, State.finished, seconds=1.0).told == 3
    assert store.create(key="d", trace={}, genotype="{}", seed=7).number == 3
    assert Store(url).asked == 6


def test_a_store_of_schema_version_2_resumes(url: str) -> None:
    store = Store(url)
    store.create(key="a", trace={}, genotype="{}", seed=7)
    with create_engine(parse_url(url)).begin() as connection:
        connection.execute(text("ALTER TABLE drivers DROP COLUMN stale"))
        connection.execute(text("UPDATE fusion_nas SET version = 2"))
    again = Store(url)
    assert (again.asked, again.stale, again.count) == (1, 0, 1)
    again.repeat(0, {})
    assert (again.asked, again.stale) == (2, 1)


def tables(engine: Engine) -> dict[str, Any]:
    looked = inspect(engine)
    return {
        name: (
            sorted((c["name"], str(c["type"]), c["nullable"]) for c in looked.get_columns(name)),
            sorted((i["name"], i["column_names"], i["unique"]) for i in looked.get_indexes(name)),
            looked.get_foreign_keys(name),
        )
        for name in looked.get_table_names()
    }


def test_migrated_tables_equal_those_of_a_new_store(url: str, old: Engine, tmp_path: Path, request: Any) -> None:
    new = f"sqlite:///{tmp_path / 'new.db'}" if "sqlite" in url else request.getfixturevalue("postgres").database()
    Store(new)
    Store(url)
    assert tables(old) == tables(create_engine(parse_url(new)))


def test_an_interrupted_migration_changes_nothing(url: str, old: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tables(old)

    def fail(connection: object) -> None:
        schema._share(connection)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(schema, "OLDER", {1: fail})
        with pytest.raises(KeyboardInterrupt):
            Store(url)
    assert tables(old) == before
    assert Store(url).count == 3


def test_stores_opened_during_a_migration_wait_for_it(url: str, old: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: Store(url).count, range(4))) == [3] * 4
    with old.connect() as connection:
        assert connection.execute(text("SELECT version FROM fusion_nas")).scalars().all() == [schema.VERSION]


def test_a_store_of_a_later_version_is_refused(url: str, old: Engine) -> None:
    with old.begin() as connection:
        connection.execute(text("UPDATE fusion_nas SET version = 99"))
    with pytest.raises(
        StoreError, match=f"is a store of schema version 99, this release reads version {schema.VERSION}"
    ):
        Store(url)
