"""A database file with a few events, which another program then changes."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from daemon.store.sqlite.database import open_database
from tests.store.filling import accept, found


def make_database(path: Path) -> Path:
    """Make a database with three events; return its path."""
    database = open_database(path)
    found(database)
    accept(database, range(3))
    database.close()
    return path


def change_from_outside(path: Path, statements: str) -> str:
    """Change the file as another program would; return its digest."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return digest(path)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
