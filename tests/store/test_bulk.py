"""Many rows in one statement: each row once, whatever their number, and errors as the connection's own."""

import pytest
from sqlalchemy import Column, MetaData, Table, Text, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from daemon.store.bulk import AddRows, InsertRows, RowStatement, UpdateRows, execute_rows, given_rows, returned_rows
from daemon.store.schema import deliveries, teams, webhook_hours
from daemon.store.sqlite.database import Database

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
NOWHERE = Table("nowhere", MetaData(), Column("id", Text))


def some_teams(number: int) -> list[tuple[object, ...]]:
    return [(f"team_{n}", "A", "[]", 1, 0) for n in range(number)]


@pytest.mark.parametrize("number", [0, 1, 3, 4, 21, 64, 150])
@pytest.mark.parametrize("insert", [INSERT, MANY])
def test_each_row_is_written_and_returned_once_whatever_their_number(
    database: Database, insert: RowStatement, number: int
) -> None:
    with database.transaction() as connection:
        assert execute_rows(connection, insert, some_teams(number)) == number
        changes = [(f"team_{n}", n) for n in range(number)]
        after = [(team_id, n + 1) for team_id, n in changes]
        assert sorted(returned_rows(connection, CHANGE, changes)) == sorted(after)


def test_only_rows_that_fit_the_condition_are_changed_and_counted(database: Database) -> None:
    with database.transaction() as connection:
        execute_rows(connection, INSERT, [*some_teams(2), ("team_b", "B", "[]", 0, 0)])
        assert execute_rows(connection, CHANGE, [("team_1", 5), ("team_b", 5), ("team_unknown", 5)]) == 1


@pytest.mark.parametrize("insert", [InsertRows(teams, COLUMNS, True), InsertRows(teams, COLUMNS, True, True)])
def test_an_existing_row_can_be_skipped(database: Database, insert: RowStatement) -> None:
    with database.transaction() as connection:
        execute_rows(connection, INSERT, some_teams(2))
        assert execute_rows(connection, insert, some_teams(3)) == 1


def test_the_numbers_of_an_existing_row_can_be_added_to(database: Database) -> None:
    with database.transaction() as connection:
        execute_rows(connection, AddRows(webhook_hours), [(0, "wh_1", 1, 0), (0, "wh_2", 1, 1)])
        execute_rows(connection, AddRows(webhook_hours), [(0, "wh_1", 2, 3), (1, "wh_1", 1, 1)])
        found = connection.execute(select(webhook_hours).order_by(webhook_hours.c.hour, webhook_hours.c.webhook_id))
        assert found.all() == [(0, "wh_1", 3, 3), (0, "wh_2", 1, 1), (1, "wh_1", 1, 1)]


def test_an_error_is_of_the_kind_that_the_connection_itself_would_raise(database: Database) -> None:
    rows = some_teams(1) * 2
    with database.transaction() as connection:
        with pytest.raises(IntegrityError, match=r"teams\.id"):
            execute_rows(connection, INSERT, rows)
        with pytest.raises(OperationalError, match="no such table"):
            execute_rows(connection, InsertRows(NOWHERE, ("id",)), [("1",)])


def test_values_are_bound_with_the_types_of_the_schema() -> None:
    given = given_rows(seq=deliveries.c.seq, test=deliveries.c.test)
    assert [(column.name, column.type) for column in given.c] == [
        ("seq", deliveries.c.seq.type),
        ("test", deliveries.c.test.type),
    ]
