"""What the store reads and writes is the same on each engine (architecture "The store's engine")."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, select

from daemon.store.commands import Command
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.schema import daemon_state, metadata
from daemon.store.sqlite.database import Database
from daemon.store.writes.batch import run_batch
from tests.store.filling import AnyDatabase, accept, found, recording
from tests.store.test_outcomes import disabling
from tests.store.test_plans import READS, WRITES


@pytest.fixture
def both(sqlite_database: Database, postgresql_database: PostgresqlDatabase) -> tuple[AnyDatabase, AnyDatabase]:
    """A database of each engine, filled alike: some deliveries are over, a webhook with others is disabled."""
    for database in (sqlite_database, postgresql_database):
        found(database)
        work = accept(database, range(7, 20))
        run_batch(database, [recording(one, 1) for one in work[:5]])
        run_batch(database, [disabling(database)])
    return sqlite_database, postgresql_database


def rows_of(database: AnyDatabase) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Give each table's name and rows, but for what names the database itself."""
    with database.reading.connect() as connection:
        for table in metadata.sorted_tables:
            if table is not daemon_state:
                found_rows = connection.execute(select(table).order_by(*table.primary_key)).all()
                yield table.name, [tuple(row) for row in found_rows]


def comparable(answers: list[Any]) -> list[Any]:
    """Return the answers with errors, which are equal to none but themselves, as their texts."""
    return [repr(answer) if isinstance(answer, Exception) else answer for answer in answers]


@pytest.mark.parametrize("query", [query for query, _ in READS.values()], ids=READS)
def test_a_read_answers_the_same(both: tuple[AnyDatabase, AnyDatabase], query: Callable[[Connection], object]) -> None:
    answers = []
    for database in both:
        with database.reading.connect() as connection:
            answers.append(query(connection))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("command", WRITES.values(), ids=WRITES)
def test_a_write_answers_the_same_and_leaves_the_same(
    both: tuple[AnyDatabase, AnyDatabase], command: Command[Any]
) -> None:
    answers = [comparable(run_batch(database, [command])) for database in both]
    assert answers[0] == answers[1]
    assert dict(rows_of(both[0])) == dict(rows_of(both[1]))
