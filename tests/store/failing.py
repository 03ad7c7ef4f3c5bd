"""A database that can be read but not written, as on a full disk."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from daemon.store.sqlite.database import Database
from tests.store.filling import AnyDatabase

_WRITES = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
_CHARACTERISTICS = "SET SESSION CHARACTERISTICS AS TRANSACTION READ {}"


@contextmanager
def failing_writes(database: AnyDatabase) -> Iterator[None]:
    """Let the engine refuse every statement of the writer that would write."""
    connection = database.writer.connection.driver_connection
    assert connection is not None
    if isinstance(database, Database):
        connection.set_authorizer(_authorize)
    else:
        connection.execute(_CHARACTERISTICS.format("ONLY"))
        connection.commit()
    try:
        yield
    finally:
        if isinstance(database, Database):
            connection.set_authorizer(None)
        else:
            connection.execute(_CHARACTERISTICS.format("WRITE"))
            connection.commit()


def words_of_refused_writes(database: AnyDatabase) -> str:
    """Return what the engine says of the first of them, a new team."""
    return "not authorized" if isinstance(database, Database) else "cannot execute INSERT in a read-only transaction"


def _authorize(action: int, *_: object) -> int:
    return sqlite3.SQLITE_DENY if action in _WRITES else sqlite3.SQLITE_OK
