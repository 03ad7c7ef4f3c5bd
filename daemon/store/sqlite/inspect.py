"""Inspecting a database file from outside the daemon: whether it is undamaged and ours, and what it contains."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.domain.printable import in_one_line
from daemon.files.acting_user import acting_as_owner_of
from daemon.store.engine import DatabaseRefused
from daemon.store.reseal import seals
from daemon.store.schema import HEAD_REVISION
from daemon.store.sqlite.commit_count import COUNTED_SINCE, LAST_COMMIT
from daemon.store.sqlite.commit_record import Commit, commit_of
from daemon.store.sqlite.connections import read_only_engine
from daemon.store.sqlite.content import wrong_cell
from daemon.store.sqlite.copy import read_only_uri, require_regular_files
from daemon.store.sqlite.hardening import harden
from daemon.store.sqlite.structure import difference, read_revision
from daemon.store.sqlite.upgrade import LAST_READABLE

# How often a long check reacts to Ctrl-C, in instructions of SQLite's virtual machine.
_SIGNAL_CHECK_STEPS = 100_000
# SQLite's error when Ctrl-C interrupts a function of ours; nothing else makes one raise.
_INTERRUPTED_FUNCTION = "user-defined function raised exception"

_OUT_OF_BALANCE = """
    SELECT t.id FROM teams t LEFT JOIN (
        SELECT team_id, sum(amount) AS total, max(seq) AS last FROM credit_entries GROUP BY team_id
    ) ledger ON ledger.team_id = t.id LEFT JOIN credit_entries entry ON entry.seq = ledger.last
    WHERE t.balance != coalesce(ledger.total, 0) OR t.balance != coalesce(entry.balance_after, 0)"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database file holds: its size in pages, its revision, and how many deliveries are pending."""

    pages: int
    revision: str
    pending: int


def inspect_database(path: Path, *, full: bool = False) -> Contents:
    """Check every page and cell of the file and return its contents; with `full`, also compare indexes with tables.

    Raises DatabaseRefused, with a message to be put after the file's name, if it is damaged or not ours;
    PermissionError if this user may not read it.
    """
    try:
        with _reading(path) as connection:
            return _inspect(connection, full)
    except sqlite3.OperationalError as error:
        # Errors raised by Python itself, such as for text that is not UTF-8, have no code.
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT or _INTERRUPTED_FUNCTION in str(error):
            raise KeyboardInterrupt from None
        raise _not_ours(in_one_line(error)) from None
    except (sqlite3.DatabaseError, UnicodeError) as error:
        raise _damaged(error) from None


def seals_in(path: Path, revision: str, length: int) -> list[str]:
    """Return the distinct prefixes of the sealed secrets; none for a revision that did not seal them yet."""
    if revision <= LAST_READABLE:
        return []
    with acting_as_owner_of(path.parent):
        engine = read_only_engine(path)
        try:
            return seals(engine, length)
        finally:
            engine.dispose()


def teams_out_of_balance(path: Path) -> list[str]:
    """Return the ids of teams whose balance differs from the sum of their ledger, or from its last entry."""
    with _reading(path) as connection:
        connection.set_progress_handler(_check_signals, _SIGNAL_CHECK_STEPS)
        return [str(team_id) for (team_id,) in connection.execute(_OUT_OF_BALANCE)]


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database that somebody else may have put there; root opens it with the rights of its directory's owner."""
    with acting_as_owner_of(path.parent):
        try:
            require_regular_files(path)
            path.open("rb").close()  # SQLite does not tell a missing file from one without permission
        except PermissionError:
            raise
        except OSError as error:
            raise DatabaseRefused(f"is not a database of Kakiyo Webhooks ({error}): choose another file") from None
        with closing(sqlite3.connect(read_only_uri(path), uri=True)) as connection:
            harden(connection)
            yield connection


def _inspect(connection: sqlite3.Connection, full: bool) -> Contents:
    connection.set_progress_handler(_check_signals, _SIGNAL_CHECK_STEPS)
    revision = read_revision(connection.cursor())
    if revision is None:
        raise _not_ours("it has no revision")
    if what := difference(connection.cursor(), revision):
        raise _not_ours(what)
    (found,) = connection.execute("PRAGMA integrity_check(1)" if full else "PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise _damaged(found)
    counts_commits = COUNTED_SINCE <= revision <= HEAD_REVISION
    if counts_commits and commit_of(connection.execute(LAST_COMMIT).fetchone() or ()) is None:
        raise _not_ours("it counts no commits")
    if what := wrong_cell(connection):
        raise _damaged(what)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (pending,) = connection.execute(_PENDING).fetchone()
    return Contents(pages, revision, pending + _remaining_of_fan_outs(connection))


_PENDING = "SELECT count(*) FROM deliveries WHERE status IN ('pending', 'pending_low', 'pending_aside')"


def _remaining_of_fan_outs(connection: sqlite3.Connection) -> int:
    """Return how many deliveries of large submissions are not created yet; older databases do not have the table."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'fan_outs'").fetchone() is None:
        return 0
    (count,) = connection.execute("SELECT coalesce(sum(remaining), 0) FROM fan_outs").fetchone()
    return int(count)


def _check_signals() -> int:
    """Let Python handle signals: an exception here interrupts the statement."""
    return 0


def _damaged(what: object) -> DatabaseRefused:
    return DatabaseRefused(f"is damaged ({in_one_line(what)}): use an undamaged backup")


def _not_ours(why: object) -> DatabaseRefused:
    return DatabaseRefused(f"is not a database of Kakiyo Webhooks ({why}): choose another file")


def revision_if_readable(path: Path) -> str | None:
    """Return the revision of the database, None if it cannot be read."""
    rows = _rows_if_readable(path, "SELECT version_num FROM alembic_version")
    return str(rows[0][0]) if rows else None


def newest_time(path: Path) -> int | None:
    """Return when the newest event was accepted, None if there is none or it cannot be read."""
    rows = _rows_if_readable(path, "SELECT accepted_at FROM events ORDER BY seq DESC LIMIT 1")
    return int(rows[0][0]) if rows else None


def newest_commit(path: Path) -> Commit | None:
    """Return the last commit in the database, None if it does not count them or cannot be read."""
    rows = _rows_if_readable(path, LAST_COMMIT)
    return commit_of(rows[0]) if rows else None


def newest_urls(path: Path, limit: int) -> list[str]:
    """Return the URLs of the newest active webhooks, none if they cannot be read."""
    query = "SELECT url FROM webhooks WHERE active AND deleted_at IS NULL ORDER BY seq DESC LIMIT ?"
    return [str(url) for (url,) in _rows_if_readable(path, query, limit)]


def _rows_if_readable(path: Path, query: str, *values: int) -> list[tuple[Any, ...]]:
    try:
        with _reading(path) as connection:
            return connection.execute(query, values).fetchall()
    except PermissionError:
        raise
    except (sqlite3.Error, UnicodeError, OSError, DatabaseRefused):
        return []  # `inspect_database` reports what is wrong
