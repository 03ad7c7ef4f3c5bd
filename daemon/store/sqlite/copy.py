"""Copying a snapshot of the database into one file, even while a daemon writes to it."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from daemon.files.acting_user import acting_as_owner_of
from daemon.files.regular_file import require_regular
from daemon.store.sqlite.hardening import harden

# Files that SQLite may keep next to a database.
COMPANIONS = ("-wal", "-shm", "-journal")
# 1 MB a step: the progress bar moves, and Ctrl-C works.
_STEP_PAGES = 256
# Flushing after this many bytes: flushing the whole copy at its end would delay the daemon's own commits.
_FLUSH_BYTES = 32_000_000

Progress = Callable[[int, int], None]


class CopyFailed(Exception):
    """The database was not copied: the message says why, and what to do."""


def copy_database(source: Path, target: Path, require_space: Callable[[int], None], progress: Progress) -> None:
    """Copy the database at `source` into the empty file `target`, and flush it; blocks no other process.

    `require_space` is called with the size before anything is written, `progress` repeatedly with the bytes copied and
    their total; an error of theirs ends the copy. Raises CopyFailed and OSError. The copy is one file, without a
    write-ahead log. Root opens each file with the rights of its directory's owner.
    """
    try:
        with closing(_open_snapshot(source)) as reading, acting_as_owner_of(target.parent):
            require_space(_size(reading))
            with closing(sqlite3.connect(target, isolation_level=None)) as writing:
                _copy(reading, writing, _flushing(target, progress, _page_size(reading)))
    except UnicodeError as error:  # SQLite's own message quotes the file's content
        raise CopyFailed(f"{source}: is damaged ({error}): use an undamaged backup") from None
    except sqlite3.Error as error:
        raise _failure(error, source, target) from None


def require_regular_files(database: Path) -> None:
    """Raise OSError if the database, or a companion file of it, is a link or not a regular file."""
    with acting_as_owner_of(database.parent):
        for ending in ("", *COMPANIONS):
            require_regular(database.with_name(database.name + ending))


def checkpoint_log(path: Path) -> None:
    """Copy the write-ahead log into the database. Changes nothing if the database is damaged or in use."""
    try:
        # Read-only first: opening a damaged database for writing may destroy what could still be saved.
        with closing(sqlite3.connect(read_only_uri(path), uri=True)) as connection:
            _read(connection)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            harden(connection)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except (sqlite3.Error, UnicodeError):
        return


def read_only_uri(path: Path) -> str:
    """Return the URI with which sqlite3 opens the file read-only."""
    return f"{path.absolute().as_uri()}?mode=ro"


def _open_snapshot(source: Path) -> sqlite3.Connection:
    """Open the database in a transaction that reads a snapshot of it.

    Without the transaction, SQLite restarts the copy whenever another process has written: under load it restarted
    593 times in 12 s and never ended. With it, the snapshot is copied in one pass. VACUUM INTO would do the same in
    about the same time, but reports no progress, and reads a large file in the order of its trees.

    The price: while the transaction is open, the daemon's write-ahead log cannot be reused and grows with each commit:
    with a million old deliveries by 15 to 20 MB a second at 300 events a second, by 90 MB for a copy of 1.4 GB.
    """
    with acting_as_owner_of(source.parent):
        require_regular_files(source)  # opening a pipe would block for ever
        connection = sqlite3.connect(read_only_uri(source), uri=True, isolation_level=None)
        try:
            harden(connection)
            connection.execute("BEGIN")
            _read(connection)  # BEGIN alone opens nothing yet: the read opens every file
        except BaseException:
            connection.close()
            raise
    return connection


def _read(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()


def _copy(reading: sqlite3.Connection, writing: sqlite3.Connection, progress: Callable[[int, int, int], None]) -> None:
    # An incomplete copy is removed, and a complete one is flushed by us: no journal is needed.
    writing.execute("PRAGMA journal_mode = OFF")
    writing.execute("PRAGMA synchronous = OFF")
    reading.backup(writing, pages=_STEP_PAGES, progress=progress)
    # The copied header says that there is a write-ahead log. Exclusive locking avoids a shared-memory file.
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
    # Only the target is written: a full disk is the target's.
    match getattr(error, "sqlite_errorname", ""):
        case "SQLITE_FULL":
            return CopyFailed(f"{target.parent}: the disk is full: free some, or choose another place")
        case "SQLITE_NOTADB":
            return CopyFailed(f"{source}: is not a database, or is damaged: use an undamaged backup")
        case "SQLITE_CORRUPT":
            return CopyFailed(f"{source}: is damaged ({error}): use an undamaged backup")
        case _:
            return CopyFailed(f"{source}: cannot be copied to {target.parent} ({error}): correct that, and try again")
