"""Looking at a database file that no daemon has open: whether it is whole and ours, and what is in it."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.store.copying import read_only_uri
from daemon.store.database import LAST_READABLE, DatabaseRefused, read_only_engine
from daemon.store.sealing import seals

# So often within a long check Ctrl-C is heard, in steps of SQLite's machine.
_HEARING = 100_000


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database file holds: its size in pages, its revision, and how many deliveries are pending."""

    pages: int
    revision: str
    pending: int


def inspect_database(path: Path) -> Contents:
    """Check every page of the file and return what it holds.

    Raises DatabaseRefused, in words that follow the file's name, when it is damaged or not ours.
    """
    try:
        with closing(sqlite3.connect(read_only_uri(path), uri=True)) as connection:
            return _inspect(connection)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise KeyboardInterrupt from None
        raise _not_ours(error) from None
    except sqlite3.DatabaseError as error:
        raise _damaged(str(error)) from None


def seals_in(path: Path, revision: str, length: int) -> list[str]:
    """Return the different beginnings of the sealed secrets, none for a revision that did not seal them yet."""
    if revision <= LAST_READABLE:
        return []
    engine = read_only_engine(path)
    try:
        return seals(engine, length)
    finally:
        engine.dispose()


def _inspect(connection: sqlite3.Connection) -> Contents:
    connection.set_progress_handler(_hear, _HEARING)
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise _damaged(found)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    (pending,) = connection.execute("SELECT count(*) FROM deliveries WHERE status = 'pending'").fetchone()
    if row is None:
        raise _not_ours("it has no revision")
    return Contents(pages, str(row[0]), pending)


def _hear() -> int:
    """Let Python handle signals: an exception here ends the statement as interrupted."""
    return 0


def _damaged(what: str) -> DatabaseRefused:
    # What SQLite says may have line breaks in it.
    return DatabaseRefused(f"is damaged ({' '.join(what.split())}): use a backup that is whole")


def _not_ours(why: object) -> DatabaseRefused:
    return DatabaseRefused(f"is not a database of Kakiyo Webhooks ({why}): choose another file")


def newest_time(path: Path) -> int | None:
    """Return when the newest event was accepted, None if there is none or it cannot be told."""
    rows = _rows_if_readable(path, "SELECT accepted_at FROM events ORDER BY seq DESC LIMIT 1")
    return int(rows[0][0]) if rows else None


def newest_urls(path: Path, limit: int) -> list[str]:
    """Return the URLs of the newest active webhooks, none if that cannot be told."""
    query = "SELECT url FROM webhooks WHERE active AND deleted_at IS NULL ORDER BY seq DESC LIMIT ?"
    return [str(url) for (url,) in _rows_if_readable(path, query, limit)]


def _rows_if_readable(path: Path, query: str, *values: int) -> list[tuple[Any, ...]]:
    try:
        with closing(sqlite3.connect(read_only_uri(path), uri=True)) as connection:
            return connection.execute(query, values).fetchall()
    except sqlite3.Error:
        return []  # what is wrong with it, `inspect_database` says
