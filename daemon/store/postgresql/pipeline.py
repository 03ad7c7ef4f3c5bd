"""Statements of the writer that go to the server together (libpq's pipeline mode): one round trip for all of them.

A statement whose result nobody needs waits until another one's is needed, or until the transaction ends. The server
carries them out in their order; after one that fails it leaves out the others, and the transaction must end.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.pq import PipelineStatus
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from daemon.store.bulk import Row

_WAITING = "waiting statements"
_Statement = tuple[str, Sequence[Any]]


def send(connection: Connection, sql: str, values: Sequence[Any]) -> None:
    """Have a statement carried out before the next one whose result is needed, at the latest by `flush`."""
    _waiting(connection).append((sql, values))


def fetch(connection: Connection, sql: str, values: Sequence[Any]) -> tuple[int, list[Row]]:
    """Carry out what waits and this statement; return how many rows it changed or found, and those that it returned.

    Raises SQLAlchemy's DBAPIError, for what waited, too.
    """
    send(connection, sql, values)
    cursor = _carry_out(connection)
    return cursor.rowcount, list(cursor.fetchall()) if cursor.description else []


def flush(connection: Connection) -> None:
    """Carry out what waits. Raises SQLAlchemy's DBAPIError."""
    if _waiting(connection):
        _carry_out(connection)


def forget(connection: Connection) -> None:
    """Leave out what waits: its transaction has ended."""
    _waiting(connection).clear()


def _waiting(connection: Connection) -> list[_Statement]:
    waiting: list[_Statement] = connection.info.setdefault(_WAITING, [])
    return waiting


def _carry_out(connection: Connection) -> psycopg.Cursor[Any]:
    """Carry out all that waits; return the cursor of the last statement."""
    waiting = _waiting(connection)
    statements = tuple(waiting)
    waiting.clear()
    driver: Any = connection.connection.driver_connection
    try:
        return _run_alone(driver, *statements[0]) if len(statements) == 1 else _run_together(driver, statements)
    except psycopg.Error as error:
        words = "; ".join(sql for sql, _ in statements)
        raise DBAPIError.instance(words, None, error, psycopg.Error, dialect=connection.dialect) from error


def _run_alone(driver: psycopg.Connection[Any], sql: str, values: Sequence[Any]) -> psycopg.Cursor[Any]:
    return driver.cursor().execute(sql.encode(), values)


def _run_together(driver: psycopg.Connection[Any], statements: Sequence[_Statement]) -> psycopg.Cursor[Any]:
    failure: psycopg.Error | None = None
    cursors = []
    try:
        with driver.pipeline():
            # Leaving the block with an error would have psycopg log what it then finds of a lost connection.
            try:
                cursors += [_run_alone(driver, *statement) for statement in statements]
            except psycopg.Error as error:
                failure = error
    except psycopg.Error as error:
        failure = failure or error
    if failure is None:
        return cursors[-1]
    if driver.pgconn.pipeline_status != PipelineStatus.OFF:
        driver.close()  # it cannot be used any more
    raise failure
