"""A test finds its PostgreSQL database as it was made, whatever the tests before it did to it."""

import pytest
from sqlalchemy import event, func, select

from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.schema import teams
from tests.store.filling import found
from tests.support.postgresql import PostgresqlServer
from tests.support.reused_databases import ReusedDatabases


@pytest.fixture
def databases(postgresql: tuple[PostgresqlServer, str]) -> ReusedDatabases:
    """No databases yet: each that is lent next is the one before."""
    return ReusedDatabases(*postgresql)


def session_of(database: PostgresqlDatabase) -> object:
    return database.writer.connection.driver_connection


def count_teams(database: PostgresqlDatabase) -> int:
    with database.reading.connect() as connection:
        return connection.execute(select(func.count()).select_from(teams)).scalar_one()


def test_what_was_written_set_or_listened_to_is_gone_and_only_the_sessions_stay(databases: ReusedDatabases) -> None:
    heard: list[str] = []
    with databases.lend() as lent:
        first = lent.open()
        found(first)
        first.pay_from_holds_of(7)
        first.pays_from_holds = True
        event.listen(first.writing, "commit", lambda _: heard.append("commit"))
        first.close()
    with databases.lend() as lent:
        second = lent.open()
        assert count_teams(second) == 0
        found(second)
        assert (session_of(second), second.pays_from_holds, heard) == (session_of(first), False, [])
        assert second.writer.get_execution_options().keys() < first.writer.get_execution_options().keys()
        second.close()
    databases.close()


def test_a_session_that_is_in_the_middle_of_something_is_not_used_again(databases: ReusedDatabases) -> None:
    with databases.lend() as lent:
        first = lent.open()
        used = session_of(first)
        first.writer.execute(teams.delete())
    with databases.lend() as lent:
        assert session_of(lent.open()) is not used
    databases.close()


def test_sessions_that_the_server_ended_are_made_anew(databases: ReusedDatabases) -> None:
    with databases.lend() as lent:
        name = lent.address.url.split("/")[3].split("?")[0]
        count_teams(lent.open())
    databases.server.end_sessions(name)
    with databases.lend() as lent:
        found(opened := lent.open())
        assert count_teams(opened) == 1
    databases.close()
