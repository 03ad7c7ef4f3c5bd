"""Many rows in one statement: each row once, whatever their number, and errors as the connection's own."""

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from daemon.store.bulk import execute_rows, returned_rows
from daemon.store.sqlite.database import Database

INSERT = "INSERT INTO teams (id, name, notification_emails, balance, created_at) VALUES {rows}"
CHANGE = """
    UPDATE teams SET balance = changed.column2 FROM (VALUES {rows}) AS changed
    WHERE teams.id = changed.column1 RETURNING id, balance
"""


@pytest.mark.parametrize("number", [0, 1, 3, 4, 21, 64, 150])
def test_each_row_is_written_and_returned_once_whatever_their_number(database: Database, number: int) -> None:
    with database.writing.begin() as connection:
        assert execute_rows(connection, INSERT, [(f"team_{n}", "A", "[]", 0, 0) for n in range(number)]) == number
        changes = [(f"team_{n}", n) for n in range(number)]
        assert sorted(returned_rows(connection, CHANGE, changes)) == sorted(changes)


def test_an_error_is_of_the_kind_that_the_connection_itself_would_raise(database: Database) -> None:
    rows = [("team_1", "A", "[]", 0, 0)] * 2
    with database.writing.begin() as connection:
        with pytest.raises(IntegrityError, match=r"teams\.id"):
            execute_rows(connection, INSERT, rows)
        with pytest.raises(OperationalError, match="no such table"):
            execute_rows(connection, "INSERT INTO nowhere VALUES {rows}", rows)
