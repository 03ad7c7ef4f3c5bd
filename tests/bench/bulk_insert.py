"""Rows into the daemon's tables by the million: no journal, no wait for the disk until the end."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import Table

_CACHE_KIB = 512 * 1024
# From so many new rows on, sorting them for the indexes at the end beats finding the place of each.
MANY_ROWS = 100_000


@contextmanager
def bulk_connection(path: Path, expected_rows: int) -> Iterator[sqlite3.Connection]:
    """Open the database at `path` for one big transaction, while nobody else has it open; it is on the disk at the end.

    Leaving the block with an error leaves the file spoilt.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN EXCLUSIVE")
        if expected_rows < MANY_ROWS:
            yield connection
        else:
            with _indexes_made_at_the_end(connection):
                yield connection
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    flush(path)


@contextmanager
def _indexes_made_at_the_end(connection: sqlite3.Connection) -> Iterator[None]:
    # Those that a constraint made have no text: they cannot be dropped.
    found = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in found:
        connection.execute(f"DROP INDEX {name}")
    yield
    for _, text in found:
        connection.execute(text)


def insert_rows(connection: sqlite3.Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows, all with the same columns."""
    remaining = iter(rows)
    if (first := next(remaining, None)) is None:
        return
    # Places by position: sqlite3 looks names up anew for each row.
    places = ", ".join("?" * len(first))
    values = map(itemgetter(*first), chain([first], remaining))
    connection.executemany(f"INSERT INTO {table.name} ({', '.join(first)}) VALUES ({places})", values)


def next_seq(connection: sqlite3.Connection, table: Table) -> int:
    """Return the first free `seq` of a table."""
    (highest,) = connection.execute(f"SELECT coalesce(max(seq), 0) FROM {table.name}").fetchone()
    return int(highest) + 1


def flush(path: Path) -> None:
    """Write the file out: the disk shall be at rest when the measuring begins."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
