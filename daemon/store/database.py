"""Opening the database file: pragmas, migrations, and one sentence when it cannot be used."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, pool
from sqlalchemy.exc import DatabaseError

from daemon.domain.printable import printable
from daemon.store.file.checkpoint import CHECKPOINT_FRAMES, WriteAheadLog
from daemon.store.file.commit_record import Commit, CommitRecord, Loss, keep_loss, last_recorded, loss_of, missing_from
from daemon.store.file.content import READ_AT_START, wrong_cell
from daemon.store.file.copy import read_only_uri
from daemon.store.file.create import create_newest
from daemon.store.file.hardening import harden
from daemon.store.file.migrate import Seal, known_revisions
from daemon.store.file.structure import difference, read_revision, read_structure
from daemon.store.file.upgrade import upgrade
from daemon.store.progress import Progress
from daemon.store.schema import HEAD_REVISION
from daemon.store.sequences import Sequences
from daemon.store.writes.commit_count import COUNTED_SINCE, last_commit

READERS = 4
_BUSY_TIMEOUT_MS = 2_000
# A backup or another long read lets the log grow; what is beyond this is given back to the disk when it is over.
_LASTING_LOG_BYTES = 64_000_000
# Half of SQLite's own: what readers look up is in the operating system's cache, once for all of them.
_READER_CACHE_KIB = 1_000


@dataclass(frozen=True, slots=True)
class History:
    """Whether all that was acknowledged is there: why that cannot be told, if so, and what is missing."""

    unknown: str | None = None
    loss: Loss | None = None


class DatabaseRefused(Exception):
    """The database cannot be used: the message says why and what to do. The file was not changed."""


@dataclass(frozen=True, slots=True)
class Database:
    """One engine that writes (a single connection), one that only reads, and the order of what is written.

    `writer` is that single connection, open for good: to check it out for each transaction costs more than a COMMIT's
    own work.
    """

    writing: Engine
    writer: Connection
    reading: Engine
    sequences: Sequences
    progress: Progress
    commits: CommitRecord
    history: History
    wal: WriteAheadLog

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(str(self.writing.url.database))

    @property
    def rows_written(self) -> int:
        """How many rows the writer has inserted, changed and deleted so far."""
        return int(self.writer.connection.driver_connection.total_changes)  # type: ignore[union-attr]  # it is open

    def checkpoint_apart(self) -> None:
        """Leave checkpoints to `wal` from now on: until this is called, a commit checkpoints a log that has grown."""
        self.writer.connection.driver_connection.execute("PRAGMA wal_autocheckpoint = 0")  # type: ignore[union-attr]  # it is open

    def close(self) -> None:
        """Close every connection."""
        self.commits.close()
        self.wal.close()
        self.reading.dispose()
        self.writer.close()
        self.writing.dispose()


def _refuse_to_seal(_secret: str, _webhook_id: str) -> str:
    raise DatabaseRefused("holds secrets that are not sealed yet: start the daemon on it, which has the key")


def open_database(path: Path, seal: Seal = _refuse_to_seal, progress: Progress | None = None) -> Database:
    """Open or create the database at `path` and bring it to the newest revision.

    `seal(secret, webhook_id)` seals the secrets of a database from before they were sealed. `progress` counts what is
    done, migrations too, which may take minutes.
    Raises DatabaseRefused when the file is not ours, is damaged, or was made by a newer version.
    """
    # SQLite itself would open it all the same, and fail at the first write.
    if path.exists() and not os.access(path, os.W_OK, effective_ids=True):
        raise DatabaseRefused(f"{path}: is read-only: give this user the right to write it")
    progress = progress or Progress()
    prepare = partial(_prepare_writer, is_new=not path.exists(), progress=progress)
    writing = _engine(URL.create("sqlite", database=str(path)), "BEGIN IMMEDIATE", prepare, pool.StaticPool)
    try:
        sequences, history = _migrate(writing, seal, path)
        _use_write_ahead_log(writing)
        with writing.connect() as connection:
            commits = CommitRecord(path, _last_commit(connection))
    except (DatabaseError, sqlite3.DatabaseError, UnicodeError) as error:
        writing.dispose()
        why = error.orig if isinstance(error, DatabaseError) else error
        raise DatabaseRefused(
            f"{path}: cannot be opened ({in_one_line(why)}): restore it from a backup, or free it"
        ) from None
    except OSError as error:
        writing.dispose()
        raise DatabaseRefused(f"{error.filename}: cannot be written ({error.strerror}): correct that") from None
    except DatabaseRefused as refusal:
        _dispose_unchanged(writing, path)
        raise DatabaseRefused(f"{path}: {refusal}") from None
    return Database(
        writing=writing,
        writer=writing.connect(),
        reading=read_only_engine(path),
        sequences=sequences,
        progress=progress,
        commits=commits,
        history=history,
        wal=WriteAheadLog(path),
    )


def _dispose_unchanged(writing: Engine, path: Path) -> None:
    """Close it with the write-ahead log as it is: the last connection would write the log into the file if it could."""
    with closing(sqlite3.connect(read_only_uri(path), uri=True)) as last:
        with suppress(sqlite3.Error):
            last.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        writing.dispose()


def read_only_engine(path: Path) -> Engine:
    """Return what reads the database at `path`, over a few connections, and cannot write it."""
    read_only = URL.create("sqlite", database=path.absolute().as_uri(), query={"mode": "ro", "uri": "true"})
    # The connection that was given back last knows the most: the others are for when it is taken.
    return _engine(read_only, "BEGIN", _prepare_reader, pool.QueuePool, pool_size=READERS, pool_use_lifo=True)


def require_known_revision(revision: str) -> None:
    """Raise DatabaseRefused unless this version can open a database of this revision."""
    if revision not in known_revisions():
        raise DatabaseRefused(f"was made by a newer version (revision {revision}): install that version again")


def _engine(url: URL, begin: str, prepare: Callable[[Any], None], poolclass: type[pool.Pool], **options: Any) -> Engine:
    # Connections move between worker threads, one at a time: hence no check_same_thread.
    engine = create_engine(url, poolclass=poolclass, connect_args={"check_same_thread": False}, **options)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        # The sqlite3 module's own transaction handling delays BEGIN; ours is explicit.
        connection.isolation_level = None
        harden(connection)
        prepare(connection)

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _prepare_writer(connection: Any, is_new: bool, progress: Progress) -> None:
    progress.watch(connection)
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA synchronous = FULL")
    if is_new:  # before the first table is made: else the file would have to be written anew to be able to shrink
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_FRAMES}")
    connection.execute(f"PRAGMA journal_size_limit = {_LASTING_LOG_BYTES}")


def _prepare_reader(connection: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")


def _use_write_ahead_log(engine: Engine) -> None:
    # Not before the file is known to be ours: this is written into it, and not within a transaction.
    connection = engine.raw_connection()
    connection.cursor().execute("PRAGMA journal_mode = WAL")
    connection.close()


def _migrate(engine: Engine, seal: Seal, path: Path) -> tuple[Sequences, History]:
    with engine.begin() as connection:
        current = _revision(connection)
        if current is not None:
            _require_our_structure(connection, current)
        if current not in (None, HEAD_REVISION):
            require_known_revision(current)
        _require_our_content(connection)
        # Before anything is written: what can still be saved stands in the write-ahead log.
        history = _compare(connection, current, path)
        if current is None:
            create_newest(connection)
    if current not in (None, HEAD_REVISION):
        upgrade(engine, current, seal)
    with engine.connect() as connection:
        return Sequences(connection), history


def _compare(connection: Connection, revision: str | None, path: Path) -> History:
    recorded = last_recorded(path)
    if revision is None or revision < COUNTED_SINCE:
        return History(None if recorded is None else "the record is of another database")
    found = _last_commit(connection)
    if loss := missing_from(found, recorded):
        return History(loss=keep_loss(path, loss, found))
    if recorded is None:
        return History("there is no record of the last commits" if found.number else None, loss_of(path))
    foreign = recorded.database_id != found.database_id
    return History("the record is of another database" if foreign else None, loss_of(path))


def _revision(connection: Connection) -> str | None:
    tables = inspect(connection).get_table_names()
    if tables and "alembic_version" not in tables:
        raise DatabaseRefused("is the database of another program: choose another state directory")
    if not read_structure(connection.connection.cursor()):
        return None
    revision = read_revision(connection.connection.cursor()) if tables else None
    if revision is None:
        raise DatabaseRefused("is the database of another program: choose another state directory")
    return revision


def _last_commit(connection: Connection) -> Commit:
    if (commit := last_commit(connection)) is None:
        raise DatabaseRefused("was changed by another program (it counts no commits): restore a backup from before")
    return commit


def in_one_line(said: object) -> str:
    """Return what SQLite says of a file, which may quote it, as one line that moves no cursor."""
    return printable(" ".join(str(said).split()))


def _require_our_content(connection: Connection) -> None:
    if what := wrong_cell(connection.connection.driver_connection, READ_AT_START):  # type: ignore[arg-type]  # sqlite3's
        raise DatabaseRefused(f"was changed by another program ({what}): restore a backup from before")


def _require_our_structure(connection: Connection, revision: str) -> None:
    if what := difference(connection.connection.cursor(), revision):
        raise DatabaseRefused(f"was changed by another program ({what}): restore a backup from before")
