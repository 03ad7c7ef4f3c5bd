"""A value that another program put into a cell is refused, naming table, row and column."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import Column, Table
from sqlalchemy.exc import DatabaseError

from daemon.domain.errors import StoreUnavailable
from daemon.store.engine import DatabaseRefused
from daemon.store.schema import metadata
from daemon.store.sqlite.content import EVERYTHING, READ_AT_START, wrong_cell
from daemon.store.sqlite.database import Database, open_database
from daemon.store.sqlite.inspect import inspect_database
from daemon.store.writes.batch import apply_one
from tests.store.filling import accept, found
from tests.store.large import COMMANDS, QUERIES

_FAILURE = (
    '[{"delivery_id": "dlv_1", "event_type": "a.b", "accepted_at": 1, "failed_at": 2, "outcome": "http_error", '
    '"status": 500, "error": null}]'
)
# A row for each table that has none yet.
ROWS = (
    "INSERT INTO api_keys VALUES (1, 'key_1', 'team_1', 'n', x'01', 1, NULL, 'admin', NULL)",
    "INSERT INTO audit_entries VALUES "
    "(1, 'aud_1', 'team_1', 1, 'operator', 'Operator', NULL, 'team.created', 'team_1', '{}')",
    "INSERT INTO ended_sessions VALUES ('session_1', 'key_1', 1)",
    "INSERT INTO address_confirmations VALUES (1, 'mail_1', 'team_1', 'a@b.c', 'a@b.c', x'03', 1, 2, NULL)",
    "INSERT INTO event_types VALUES ('a.c', 'd', 'c', '{}', 1, 1, NULL, NULL, 1, 1)",
    "INSERT INTO event_type_versions VALUES ('a.c', 1, 'true', 1)",
    "INSERT INTO portal_links VALUES (1, 'plk_1', 'team_1', x'02', 1, 2, 0, 1, 'https://a.example', NULL, NULL)",
    "INSERT INTO bulk_jobs VALUES (1, 'job_1', 'team_1', 'resend', '{\"status\": [\"failed\"], \"since\": 1}', 1, "
    "'[1, 2]', 9, 'running', 3, 1, 5, 1, NULL, 'key_1', 'CI')",
    "INSERT INTO events (seq, id, team_id, type, timestamp, body, accepted_at, test) "
    "VALUES (50, 'evt_1', 'team_1', 'a.b', 1, CAST('{}' AS BLOB), 1, 0)",
    "INSERT INTO deliveries VALUES (50, 'dlv_1', 'evt_1', 'a.b', 'wh_1', 'team_1', 'failed', 1, NULL, 1, 1, NULL, 0, "
    "'recover', 'dlv_0')",
    "INSERT INTO attempts VALUES (50, 1, 1, 1, 'http_error', 500, '[[\"a\", \"b\"]]', x'00ff', 'no')",
    "INSERT INTO erasures VALUES (1, 'evt_9', 'team_1', 0)",
    "INSERT INTO fan_outs VALUES (50, 50, 'team_1', 50, 0, 1, 1, '{\"a.b\": [\"wh_1\"]}')",
    "INSERT INTO fan_out_cancellations VALUES ('wh_9', 50, 'webhook_disabled', 1)",
    "INSERT INTO expiries VALUES (50, 'wh_9', 5)",
    "INSERT INTO set_aside VALUES (50, 'wh_9', 5, 1)",
    "INSERT INTO cancellations VALUES (1, 'wh_9', 1, NULL, 'webhook_deleted', 1, 0, '[5, 7]')",
    "INSERT INTO time_blocks VALUES ('events', 1, 1, 1, 1)",
    "INSERT INTO webhook_hours VALUES (0, 'wh_1', 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1)",
    "INSERT INTO webhook_errors VALUES (0, 'wh_1', 'http_error', 500, 1)",
    "INSERT INTO credit_entries VALUES (1, 'crd_1', 'team_1', 5, 5, 1, NULL, 'a note')",
    "INSERT INTO credit_days VALUES ('team_1', 0, 2)",
    "INSERT INTO idempotency_keys VALUES ('operator', 'key', x'00', '[[\"evt_1\", 1]]', 1)",
    "INSERT INTO kept_answers VALUES ('operator', 'key', 'sealed', 1)",
    "INSERT INTO mails VALUES "
    f"(1, 'mail_1', 'team_1', 'wh_1', 'n', 'u', 1, '{_FAILURE}', '[\"a@b.c\"]', 1, 0, 1, NULL, NULL, "
    "'webhook_disabled', NULL)",
    "INSERT INTO operational_events VALUES "
    "(1, 'webhook.failing.dlv_1', 'team_1', 'webhook.failing', 'team_1', 'wh_1', '{}', 1)",
    "UPDATE teams SET balance = 5",
)
NOT_TEXT = "CAST(x'ff30' AS TEXT)"
VALUES = (
    *("'abc'", "x'00ff'", "-1", "3.5", NOT_TEXT, "'a' || char(0)", "9223372036854775807", "''", "NULL"),
    *("'[1'", "'[1, {}]'", "'{\"a\": 1}'", '\'[["a", "b", "c"]]\''),
)
CHANGED_AT_START = {
    **dict.fromkeys(("teams", "api_keys", "webhooks"), "created_at"),
    **dict.fromkeys(("cancellations", "fan_out_cancellations"), "reason"),
    "ended_sessions": "expires_at",
    "fan_outs": "accepted_at",
    "daemon_state": "trusted_time",
    "mails": "failures",
}
TABLES = sorted(metadata.tables)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a row in each table."""
    path = tmp_path_factory.mktemp("cells") / "x.db"
    database = open_database(path)
    found(database)
    accept(database, [2])
    with database.writer.begin():
        for statement in ROWS:
            database.writer.exec_driver_sql(statement)
    database.close()
    inspect_database(path)
    return path


def wrong_values(connection: sqlite3.Connection, table: Table) -> Iterator[tuple[Column[object], str, str | None]]:
    """Put each value into each column, one at a time; yield it where SQLite takes it, with what is said of it."""
    for column in table.columns:
        for value in VALUES:
            connection.execute("BEGIN")
            with suppress(sqlite3.IntegrityError):
                connection.execute(f'UPDATE {table.name} SET "{column.name}" = {value}')
                yield column, value, wrong_cell(connection, {table: EVERYTHING[table]})
            connection.execute("ROLLBACK")


def is_of_its_type(column: Column[object], value: str) -> bool:
    """Whether the column takes any value of its type, and this is one, as SQLite stores it."""
    if value == "NULL":
        return bool(column.nullable)
    match str(column.type):
        case "TEXT":
            return value not in ("x'00ff'", NOT_TEXT, "'a' || char(0)")
        case "BLOB":
            return value == "x'00ff'"
        case _:
            return value in ("-1", "9223372036854775807")


@pytest.mark.fault(
    "Somebody has put cells of the wrong type or content into the database or the backup: BLOBs, words that nobody "
    "knows, JSON of another shape, texts that are none, numbers out of range",
    "`restore`, `backup` and `doctor` name table, row and column; a start does for what it reads as a whole",
)
@pytest.mark.parametrize("name", TABLES)
def test_a_cell_with_a_value_that_we_never_write_is_named(path: Path, name: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        tried = 0
        for column, value, said in wrong_values(connection, metadata.tables[name]):
            tried += 1
            if said is None:
                assert is_of_its_type(column, value), (column, value)
            else:
                assert said.startswith(f"table {name}, row "), (value, said)
                assert f": the column {column.name} does not hold " in said
                assert said.isprintable()
    assert tried > 5 * len(metadata.tables[name].columns)


def refusal_of(action: object, path: Path) -> str:
    with pytest.raises(DatabaseRefused) as refusal:
        action(path)  # type: ignore[operator]  # one that takes a path
    return str(refusal.value)


@pytest.mark.parametrize("name", [table.name for table in READ_AT_START])
def test_a_start_refuses_wrong_cells_in_what_it_reads_completely(path: Path, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    column = {"ended_sessions": "expires_at", "daemon_state": "trusted_time", "mails": "failures"}.get(
        name, "created_at"
    )
    column = {"fan_outs": "accepted_at", "fan_out_cancellations": "reason", "cancellations": "reason"}.get(name, column)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute(f"UPDATE {name} SET {column} = x'00'")
    for action in (open_database, inspect_database):
        said = refusal_of(action, copy)
        assert f"table {name}, row " in said
        assert f": the column {column} does not hold" in said


@pytest.fixture(scope="module")
def database(path: Path) -> Iterator[Database]:
    with closing(open_database(path)) as database:
        yield database


def run_everything(database: Database) -> list[Exception]:
    """Run every command and query of the store, each undone; return what they fail with."""
    failures = []
    for command in COMMANDS.values():
        nested = database.writer.begin_nested()
        try:
            apply_one(database, database.writer, command)
        except Exception as error:
            failures.append(error)
        nested.rollback()
    for query in (query for queries in QUERIES.values() for query in queries):
        try:
            query(database.writer)
        except Exception as error:
            failures.append(error)
    return failures


@pytest.mark.parametrize("name", [name for name in TABLES if metadata.tables[name] not in READ_AT_START])
def test_a_command_or_query_that_meets_a_wrong_cell_fails_as_the_store_does(database: Database, name: str) -> None:
    connection = database.writer
    for column in metadata.tables[name].columns:
        for value in (NOT_TEXT, "x'00ff'") if str(column.type) == "TEXT" else ("'abc'", "9223372036854775807"):
            with connection.begin() as transaction:
                with suppress(DatabaseError):
                    connection.exec_driver_sql(f'UPDATE {name} SET "{column.name}" = {value}')
                    failures = run_everything(database)
                    for error in failures:
                        assert isinstance(error, StoreUnavailable | DatabaseError), (column, value, error)
                transaction.rollback()
