"""A database of which any object is not ours is not opened, not restored, and not called healthy."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from daemon.config.settings import Settings
from daemon.maintenance.sealed_database import open_sealed_database
from daemon.maintenance.state_dir import DATABASE
from daemon.store.engine import DatabaseRefused
from daemon.store.migrate import known_revisions, migrate
from daemon.store.schema import HEAD_REVISION
from daemon.store.sqlite.connections import read_only_engine
from daemon.store.sqlite.database import open_database
from daemon.store.sqlite.inspect import inspect_database
from daemon.store.sqlite.structure import migrated_structure, read_structure, structure_at
from tests.cli.conftest import Run, run  # noqa: F401 - the fixture
from tests.store import structure_file
from tests.store.altered_file import change_from_outside, digest, make_database
from tests.store.filling import found

CHANGES = {
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END",
    "a trigger on a table of ours that is never written": (
        "CREATE TRIGGER t BEFORE INSERT ON credit_days BEGIN SELECT raise(IGNORE); END"
    ),
    "a view": "CREATE VIEW v AS SELECT * FROM events",
    "a table": "CREATE TABLE notes (text)",
    "a virtual table": "CREATE VIRTUAL TABLE words USING fts5(text)",
    "an index": "CREATE INDEX once ON events (team_id)",
    "a column": "ALTER TABLE events ADD COLUMN note TEXT CHECK (note IS NULL)",
    "a generated column": "ALTER TABLE events ADD COLUMN size AS (length(body))",
    "an index that is gone": "DROP INDEX ix_events_team",
}
CHECK = """
    PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = replace(sql, 'body BLOB NOT NULL', 'body BLOB NOT NULL CHECK (length(body) < 9)')
        WHERE name = 'events';
"""
CHANGES["a CHECK that was written into the schema"] = CHECK
FAULT = pytest.mark.fault(
    "Somebody has put a trigger, a view, a table, an index, a column or a CHECK into the database or the backup",
    "Neither the daemon nor `restore`, `backup`, `doctor` or `rotate-key` takes it; each says so in one sentence",
)


@FAULT
@pytest.mark.parametrize("statements", CHANGES.values(), ids=CHANGES.keys())
def test_no_daemon_starts_on_a_database_with_an_altered_schema(tmp_path: Path, statements: str) -> None:
    path = make_database(tmp_path / "x.db")
    before = change_from_outside(path, statements)
    with pytest.raises(DatabaseRefused, match=r"^[^\n]+x\.db: was changed by another program \(the [^\n]+ backup"):
        open_database(path)
    with pytest.raises(DatabaseRefused, match=r"^is not a database of Kakiyo Webhooks \(the "):
        inspect_database(path)
    assert digest(path) == before


def test_a_change_by_another_program_is_refused_and_left_in_its_log(tmp_path: Path) -> None:
    path = make_database(tmp_path / "x.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(CHANGES["a trigger"])
        left = {ending: path.with_name(path.name + ending).read_bytes() for ending in ("", "-wal")}
    for ending, content in left.items():
        path.with_name(path.name + ending).write_bytes(content)
    with pytest.raises(DatabaseRefused, match="trigger 't' is not ours"):
        open_database(path)
    assert {ending: path.with_name(path.name + ending).read_bytes() for ending in left} == left


@FAULT
def test_every_command_refuses_a_database_with_a_trigger(run: Run, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    state, good, bad = tmp_path / "state", tmp_path / "good.db", tmp_path / "bad.db"
    state.mkdir(mode=0o700)
    opened = open_sealed_database(Settings(state_dir=state))
    found(opened.database)
    opened.database.close()
    for file in (good, bad):
        assert run("backup", str(file), "--state-dir", str(state)).code == 0
    change_from_outside(bad, CHANGES["a trigger"])
    before = digest(state / DATABASE)
    refused = [run("restore", str(bad), "--force", "--state-dir", str(state))]
    assert digest(state / DATABASE) == before
    before = change_from_outside(state / DATABASE, CHANGES["a trigger"])
    refused += [run("backup", str(tmp_path / "new.db"), "--state-dir", str(state))]
    refused += [run("secrets", "rotate-key", "--state-dir", str(state))]
    assert digest(state / DATABASE) == before
    for ended in refused:
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "the trigger 't' is not ours" in ended.err
    ended = run("doctor", "--json", "--state-dir", str(state))
    [database] = [one for one in json.loads(ended.out)["checks"] if one["name"] == "database"]
    assert (ended.code, database["verdict"]) == (1, "failed")
    assert run("restore", str(good), "--state-dir", str(state)).code == 0


def test_a_name_in_the_schema_cannot_forge_our_messages(tmp_path: Path) -> None:
    path = make_database(tmp_path / "x.db")
    change_from_outside(path, 'CREATE VIEW "v\x1b[2J\u202e\n: all is well" AS SELECT 1')
    with pytest.raises(DatabaseRefused) as refusal:
        open_database(path)
    assert str(refusal.value).isascii()
    assert str(refusal.value).isprintable()


def test_the_file_has_what_the_migrations_make() -> None:
    expected = structure_file.text()
    assert structure_file.FILE.read_text("utf-8") == expected, "run: python -m tests.store.structure_file"
    assert structure_at(HEAD_REVISION) == migrated_structure(HEAD_REVISION)


def test_a_database_upgraded_through_several_versions_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    for revision in sorted(known_revisions()):
        engine = create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            migrate(connection, revision)
        engine.dispose()
        assert inspect_database(path).revision == revision
        copy = tmp_path / f"{revision}.db"
        copy.write_bytes(path.read_bytes())
        open_database(copy).close()
        assert inspect_database(copy).revision == HEAD_REVISION, revision


def test_statistics_made_by_an_operator_are_accepted(tmp_path: Path) -> None:
    path = make_database(tmp_path / DATABASE)
    change_from_outside(path, "ANALYZE")
    open_database(path).close()


def test_every_connection_is_hardened(tmp_path: Path) -> None:
    database = open_database(tmp_path / "x.db")
    for engine in (database.writing, database.reading, read_only_engine(tmp_path / "x.db")):
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA trusted_schema").scalar() == 0
            assert connection.exec_driver_sql("PRAGMA cell_size_check").scalar() == 1
    with database.reading.connect() as connection:
        assert read_structure(connection.connection.cursor()) == structure_at(HEAD_REVISION)
    database.close()
