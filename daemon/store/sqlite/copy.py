"""Copying a whole database, as it was at one moment, into one file; while a daemon writes it, too."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from daemon.files.acting_user import acting_as_owner_of
from daemon.files.regular_file import require_regular
from daemon.store.sqlite.hardening import harden

# What SQLite may keep beside a database of this name.
COMPANIONS = ("-wal", "-shm", "-journal")
# A step is 1 MB: the bar moves, and Ctrl-C is heard.
_STEP_PAGES = 256
# So much is written and then flushed: a whole copy flushed at its end would hold up the daemon's own commits.
_FLUSH_BYTES = 32_000_000

Progress = Callable[[int, int], None]


class CopyFailed(Exception):
    """The database was not copied: the message says why, and what to do."""


def copy_database(source: Path, target: Path, room: Callable[[int], None], progress: Progress) -> None:
    """Copy the database at `source` into the empty file `target`, on the disk when this returns; nobody is held up.

    `room` is told the size before anything is written, `progress` the bytes copied and their total again and again;
    what they raise ends it. Raises CopyFailed and OSError. The copy needs no write-ahead log: it is one file. Root
    opens either file with the rights of its directory's owner.
    """
    try:
        with closing(_open_snapshot(source)) as reading, acting_as_owner_of(target.parent):
            room(_size(reading))
            with closing(sqlite3.connect(target, isolation_level=None)) as writing:
                _copy(reading, writing, _flushing(target, progress, _page_size(reading)))
    except UnicodeError as error:  # SQLite's own message quotes what stands in the file
        raise CopyFailed(f"{source}: is damaged ({error}): use a backup that is whole") from None
    except sqlite3.Error as error:
        raise _failure(error, source, target) from None


def require_regular_files(database: Path) -> None:
    """Raise OSError if the database, or what SQLite keeps beside it, is a link or no regular file."""
    with acting_as_owner_of(database.parent):
        for ending in ("", *COMPANIONS):
            require_regular(database.with_name(database.name + ending))


def fold_log(path: Path) -> None:
    """Write what stands in the write-ahead log into the database. If it is damaged, or in use, all stays as it is."""
    try:
        # Whoever opens a damaged one for writing spoils what could still be saved.
        with closing(sqlite3.connect(read_only_uri(path), uri=True)) as connection:
            _read(connection)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            harden(connection)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except (sqlite3.Error, UnicodeError):
        return


def read_only_uri(path: Path) -> str:
    """Return what sqlite3 opens for reading alone."""
    return f"{path.absolute().as_uri()}?mode=ro"


def _open_snapshot(source: Path) -> sqlite3.Connection:
    """Open the database in a transaction that sees one moment of it.

    Without the transaction, SQLite restarts the copy whenever another process has written: under load it went from
    the start 593 times in 12 s and never ended. With it, the copy is of this moment, in one pass. VACUUM INTO would do
    the same in about the same time, but tells no progress, and reads a large file in the order of its trees.

    The price: while the transaction lasts, the daemon's write-ahead log is not reused and grows by what is committed:
    with a million old deliveries 15 to 20 MB a second at 300 events a second, 90 MB for a copy of 1.4 GB.
    """
    with acting_as_owner_of(source.parent):
        require_regular_files(source)  # to open a pipe would wait for ever
        connection = sqlite3.connect(read_only_uri(source), uri=True, isolation_level=None)
        try:
            harden(connection)
            connection.execute("BEGIN")
            _read(connection)  # BEGIN alone does not look at the file yet: now every file of it is open
        except BaseException:
            connection.close()
            raise
    return connection


def _read(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()


def _copy(reading: sqlite3.Connection, writing: sqlite3.Connection, progress: Callable[[int, int, int], None]) -> None:
    # A copy that is cut short is thrown away, and a whole one is flushed by us: it needs no journal.
    writing.execute("PRAGMA journal_mode = OFF")
    writing.execute("PRAGMA synchronous = OFF")
    reading.backup(writing, pages=_STEP_PAGES, progress=progress)
    # The copy says of itself that it has a write-ahead log, as the source does. Nobody else is here: no shared memory.
    writing.execute("PRAGMA locking_mode = EXCLUSIVE")
    writing.execute("PRAGMA journal_mode = DELETE")


def _flushing(target: Path, progress: Progress, page_size: int) -> Callable[[int, int, int], None]:
    flushed = 0

    def report(_status: int, remaining: int, total: int) -> None:
        nonlocal flushed
        copied = (total - remaining) * page_size
        if copied - flushed >= _FLUSH_BYTES:
            _flush(target)
            flushed = copied
        progress(copied, total * page_size)

    return report


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _page_size(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA page_size").fetchone()[0])


def _size(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA page_count").fetchone()[0]) * _page_size(connection)


def _failure(error: sqlite3.Error, source: Path, target: Path) -> CopyFailed:
    # Only the target is written: a full disk is its own.
    match getattr(error, "sqlite_errorname", ""):
        case "SQLITE_FULL":
            return CopyFailed(f"{target.parent}: the disk is full: free some, or choose another place")
        case "SQLITE_NOTADB":
            return CopyFailed(f"{source}: is not a database, or is damaged: use a backup that is whole")
        case "SQLITE_CORRUPT":
            return CopyFailed(f"{source}: is damaged ({error}): use a backup that is whole")
        case _:
            return CopyFailed(f"{source}: cannot be copied to {target.parent} ({error}): correct that, and do it again")
