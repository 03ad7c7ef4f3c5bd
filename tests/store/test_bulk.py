"""Many rows in one statement: each row once, whatever their number, and errors as the connection's own."""

from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, Table, Text, select, update
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from daemon.store.bulk import (
    AddRows,
    InsertRows,
    Row,
    RowStatement,
    UpdateRows,
    execute_rows,
    given_rows,
    returned_rows,
    send_rows,
)
from daemon.store.schema import deliveries, teams, webhook_hours
from daemon.store.sqlite.database import Database
from daemon.store.writes.events import delivery_row, insert_deliveries
from tests.store.filling import NOW, AnyDatabase, count

COLUMNS = ("id", "name", "notification_emails", "balance", "created_at")
INSERT, MANY = InsertRows(teams, COLUMNS), InsertRows(teams, COLUMNS, usually_many=True)
changed = given_rows(team_id=teams.c.id, balance=teams.c.balance)
CHANGE = UpdateRows(
    changed,
    update(teams)
    .where(teams.c.id == changed.c.team_id, teams.c.name == "A")
    .values(balance=teams.c.balance + changed.c.balance)
    .returning(teams.c.id, teams.c.balance),
)
CLASH = UpdateRows(changed, update(teams).where(teams.c.id == changed.c.team_id).values(id="the same"))
NOWHERE = Table("nowhere", MetaData(), Column("id", Text))


def some_teams(number: int) -> list[tuple[object, ...]]:
    return [(f"team_{n}", "A", "[]", 1, 0) for n in range(number)]


@pytest.mark.parametrize("number", [0, 1, 3, 4, 21, 64, 150])
@pytest.mark.parametrize("insert", [INSERT, MANY])
def test_each_row_is_written_and_returned_once_whatever_their_number(
    database: AnyDatabase, insert: RowStatement, number: int
) -> None:
    with database.transaction() as connection:
        assert execute_rows(connection, insert, some_teams(number)) == number
        changes = [(f"team_{n}", n) for n in range(number)]
        after = [(team_id, n + 1) for team_id, n in changes]
        assert sorted(returned_rows(connection, CHANGE, changes)) == sorted(after)


def an_hour(hour: int, webhook_id: str, succeeded: int, failed: int) -> Row:
    """Return a row of `webhook_hours`."""
    return (hour, webhook_id, succeeded, failed, *[0] * (len(webhook_hours.c) - 4))


def test_only_rows_that_fit_the_condition_are_changed_and_counted(database: AnyDatabase) -> None:
    with database.transaction() as connection:
        execute_rows(connection, INSERT, [*some_teams(2), ("team_b", "B", "[]", 0, 0)])
        assert execute_rows(connection, CHANGE, [("team_1", 5), ("team_b", 5), ("team_unknown", 5)]) == 1


@pytest.mark.parametrize("insert", [InsertRows(teams, COLUMNS, True), InsertRows(teams, COLUMNS, True, True)])
def test_an_existing_row_can_be_skipped(database: AnyDatabase, insert: RowStatement) -> None:
    with database.transaction() as connection:
        execute_rows(connection, INSERT, some_teams(2))
        assert execute_rows(connection, insert, some_teams(3)) == 1


def test_the_numbers_of_an_existing_row_can_be_added_to(database: AnyDatabase) -> None:
    with database.transaction() as connection:
        execute_rows(connection, AddRows(webhook_hours), [an_hour(0, "wh_1", 1, 0), an_hour(0, "wh_2", 1, 1)])
        execute_rows(connection, AddRows(webhook_hours), [an_hour(0, "wh_1", 2, 3), an_hour(1, "wh_1", 1, 1)])
        found = connection.execute(select(webhook_hours).order_by(webhook_hours.c.hour, webhook_hours.c.webhook_id))
        assert found.all() == [an_hour(0, "wh_1", 3, 3), an_hour(0, "wh_2", 1, 1), an_hour(1, "wh_1", 1, 1)]


def test_an_error_is_of_the_kind_that_the_connection_itself_would_raise(database: AnyDatabase) -> None:
    with pytest.raises(IntegrityError, match=r"teams[._]id"), database.transaction() as connection:
        execute_rows(connection, INSERT, some_teams(1) * 2)
    kind, words = (
        (OperationalError, "no such table") if isinstance(database, Database) else (ProgrammingError, "does not exist")
    )
    with pytest.raises(kind, match=words), database.transaction() as connection:
        execute_rows(connection, InsertRows(NOWHERE, ("id",)), [("1",)])


def test_a_statement_that_is_only_sent_is_carried_out_in_its_turn(database: AnyDatabase) -> None:
    with database.transaction() as connection:
        send_rows(connection, INSERT, some_teams(2))
        send_rows(connection, CHANGE, [("team_1", 5)])
        assert execute_rows(connection, CHANGE, [("team_0", 5), ("team_1", 5)]) == 2
        send_rows(connection, CHANGE, [("team_1", 1)])
        balances = connection.execute(select(teams.c.balance).order_by(teams.c.id)).scalars().all()
        assert balances == [6, 12]
        send_rows(connection, CHANGE, [("team_0", 1)])
    assert count(database, "teams", "balance IN (7, 12)") == 2


def test_a_statement_that_is_only_sent_and_fails_takes_its_whole_transaction_with_it(database: AnyDatabase) -> None:
    def clash() -> None:
        with database.transaction() as connection:
            send_rows(connection, INSERT, some_teams(1))
            send_rows(connection, INSERT, some_teams(1))
            send_rows(connection, AddRows(webhook_hours), [an_hour(0, "wh_1", 1, 0)])

    with pytest.raises(IntegrityError, match=r"teams[._]id"):
        clash()
    with database.transaction() as connection:
        send_rows(connection, INSERT, some_teams(2))
    assert (count(database, "webhook_hours"), count(database, "teams")) == (0, 2)


def test_what_was_sent_before_a_failure_of_ours_is_forgotten(database: AnyDatabase) -> None:
    def fail() -> None:
        with database.transaction() as connection:
            send_rows(connection, INSERT, some_teams(1))
            raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        fail()
    with database.transaction() as connection:
        execute_rows(connection, AddRows(webhook_hours), [an_hour(0, "wh_1", 1, 0)])
    assert (count(database, "webhook_hours"), count(database, "teams")) == (1, 0)


FAILING: list[tuple[RowStatement, list[Row]]] = [
    (INSERT, [("team_new", "A", "[]", 1, 0), *some_teams(1)]),
    (MANY, [("team_new", "A", "[]", 1, 0), *some_teams(1)]),
    (CLASH, [("team_0", 1), ("team_1", 1)]),
]


@pytest.mark.parametrize(("statement", "rows"), FAILING)
def test_a_statement_that_fails_takes_its_whole_transaction_with_it(
    sqlite_database: Database, statement: RowStatement, rows: list[Row]
) -> None:
    with sqlite_database.transaction() as connection:
        execute_rows(connection, INSERT, some_teams(2))
    with sqlite_database.transaction() as connection:
        execute_rows(connection, AddRows(webhook_hours), [an_hour(0, "wh_1", 1, 0)])
        with pytest.raises(IntegrityError):
            execute_rows(connection, statement, rows)
    assert (count(sqlite_database, "webhook_hours"), count(sqlite_database, "teams")) == (0, 2)


def test_rows_are_written_to_the_disk_by_the_commit_alone(sqlite_database: Database) -> None:
    """No copy of what a statement changes is kept in case that it fails, and nothing is written early."""
    with sqlite_database.transaction() as connection:
        insert_deliveries(connection, some_deliveries(0))
    with sqlite_database.transaction() as connection:
        before = bytes_written()
        insert_deliveries(connection, some_deliveries(1))
        during = bytes_written() - before
    assert during < 16_000 < bytes_written() - before


def some_deliveries(batch: int) -> list[Row]:
    """500 of 50 webhooks, so that each index has many pages, with few of the rows in each."""
    numbers = range(batch * 500, batch * 500 + 500)
    return [
        delivery_row(n + 1, f"dlv_{n:026}", f"evt_{n:026}", "a.b", f"wh_{n % 50:026}", f"team_{n % 50}", NOW, 0)
        for n in numbers
    ]


def bytes_written() -> int:
    """How much this process has written to files so far (proc(5), "io")."""
    return int(Path("/proc/self/io").read_text().partition("wchar: ")[2].split()[0])


def test_values_are_bound_with_the_types_of_the_schema() -> None:
    given = given_rows(seq=deliveries.c.seq, test=deliveries.c.test)
    assert [(column.name, column.type) for column in given.c] == [
        ("seq", deliveries.c.seq.type),
        ("test", deliveries.c.test.type),
    ]
