"""Opening the file: what is set, what is migrated, and what is refused without being touched."""

import hashlib
import sqlite3
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import INTEGER, BigInteger, Column, create_engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.types import TypeEngine

from daemon.store.commands import CreateTeam
from daemon.store.engine import DatabaseRefused
from daemon.store.migrate import migrate
from daemon.store.reads import api_reads
from daemon.store.schema import HEAD_REVISION, metadata
from daemon.store.sqlite.database import Database, open_database
from daemon.store.sqlite.inspect import inspect_database
from daemon.store.sqlite.structure import read_structure
from tests.store.filling import a_team, accept, found, run


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("daemon.store") / "migrations"))
    return config


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_fresh_database_is_what_the_schema_says(database: Database) -> None:
    with database.writing.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": differs_in_type})
        assert compare_metadata(context, metadata) == []


def differs_in_type(
    _context: object, _found: object, column: Column[Any], found_type: TypeEngine[Any], type_: TypeEngine[Any]
) -> bool | None:
    """Say that a key of BIGINT may be INTEGER: only that is the row's own number, another one costs a second B-tree."""
    is_row_number = column.primary_key and isinstance(found_type, INTEGER) and isinstance(type_, BigInteger)
    return False if is_row_number else None


def test_a_fresh_database_is_what_the_migrations_make(database: Database) -> None:
    migrated = create_engine("sqlite://")
    with migrated.begin() as connection, database.reading.connect() as fresh:
        migrate(connection)
        # The order, too: of two indexes that are as good, SQLite takes the one made last.
        assert list(read_structure(connection.connection.cursor())) == list(read_structure(fresh.connection.cursor()))
        for table in ("alembic_version", *metadata.tables):
            rows = [one.exec_driver_sql(f"SELECT * FROM {table}").mappings().all() for one in (connection, fresh)]
            made, found = ([{**row, "database_id": ""} for row in of_one] for of_one in rows)
            assert made == found, table
    migrated.dispose()


def test_the_revision_that_starts_without_alembic_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == HEAD_REVISION


def test_a_fresh_database_is_at_the_newest_revision(database: Database) -> None:
    with database.reading.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == HEAD_REVISION


def test_the_migrations_can_be_undone(database: Database) -> None:
    config = alembic_config()
    with database.writing.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with database.reading.connect() as connection:
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
    assert tables == ["alembic_version"]


def test_opening_again_changes_nothing_and_continues_the_order(tmp_path: Path) -> None:
    first = open_database(tmp_path / "x.db")
    found(first)
    seqs = [work.seq for work in accept(first, [1, 2])]
    first.close()
    again = open_database(tmp_path / "x.db")
    assert [work.seq for work in accept(again, [3])] == [seqs[-1] + 1]
    again.close()


def test_acknowledged_events_survive_power_loss(database: Database) -> None:
    with database.writing.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_the_write_ahead_log_is_checkpointed_every_16_mb(database: Database) -> None:
    with database.writing.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar_one()
        assert pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one() == 16_384_000


def test_a_write_ahead_log_that_grew_is_given_back_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.store.sqlite.connections._MAX_IDLE_LOG_BYTES", 1_000_000)
    opened, log = open_database(tmp_path / "x.db"), tmp_path / "x.db-wal"
    with opened.reading.connect() as long_read:
        long_read.exec_driver_sql("SELECT count(*) FROM teams").scalar()
        for number in range(3):
            with opened.writer.begin():
                opened.writer.exec_driver_sql(f"CREATE TABLE ballast_{number} AS SELECT zeroblob(7000000)")
        assert log.stat().st_size > 20_000_000
    for number in range(2):  # one copies the log into the database, the next one restarts it
        run(opened, CreateTeam(a_team(number)))
    assert log.stat().st_size == 1_000_000
    opened.close()


def test_readers_see_the_write_ahead_log_and_cannot_write(database: Database) -> None:
    run(database, CreateTeam(a_team()))
    with database.reading.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert api_reads.get_team(connection, "team_1") == a_team()
        with pytest.raises(DatabaseError, match="readonly"):
            connection.exec_driver_sql("DELETE FROM teams")


def test_a_newer_revision_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    open_database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = digest(path)
    with pytest.raises(DatabaseRefused, match=r"x\.db: was made by a newer version \(revision 9999\)"):
        open_database(path)
    assert digest(path) == before


@pytest.mark.parametrize("content", [b"This is a letter to my grandmother.\n" * 100, b"\x00" * 4096])
def test_a_file_that_is_no_database_is_refused_and_left_unchanged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(content)
    with pytest.raises(DatabaseRefused, match=r"x\.db: "):
        open_database(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    connection.close()
    before = digest(path)
    with pytest.raises(DatabaseRefused, match="another program"):
        open_database(path)
    assert digest(path) == before


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").touch()
    open_database(tmp_path / "x.db").close()
    assert inspect_database(tmp_path / "x.db").revision == HEAD_REVISION


def test_a_directory_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused, match="cannot be opened"):
        open_database(tmp_path / "missing" / "x.db")


@pytest.mark.parametrize("name", ["with space", "100%41 #1", "what?mode=rwc", "ümläut", "a&b=c"])
def test_the_state_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    database = open_database(directory / "x.db")
    run(database, CreateTeam(a_team()))
    with database.reading.connect() as connection:
        assert api_reads.get_team(connection, "team_1") is not None
    database.close()
    assert (directory / "x.db").exists()


def test_a_relative_path_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database = open_database(Path("x.db"))
    with database.reading.connect() as connection:
        assert api_reads.get_team(connection, "team_1") is None
    database.close()
