"""A database that can be read but not written, as on a full disk."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from daemon.store.sqlite.database import Database

_WRITES = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)


@contextmanager
def failing_writes(database: Database) -> Iterator[None]:
    """Let SQLite refuse every statement of the writer that would write."""

    def authorize(action: int, *_: object) -> int:
        return sqlite3.SQLITE_DENY if action in _WRITES else sqlite3.SQLITE_OK

    connection = database.writer.connection.driver_connection
    assert connection is not None
    connection.set_authorizer(authorize)
    try:
        yield
    finally:
        connection.set_authorizer(None)
