"""Connections to the file: one that writes, a few that only read, each with its pragmas."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, pool
from sqlalchemy.exc import DBAPIError

from daemon.store.bulk import RUN_ROWS
from daemon.store.engine import READERS
from daemon.store.progress import Progress
from daemon.store.sqlite.bulk import run_rows
from daemon.store.sqlite.checkpoint import CHECKPOINT_FRAMES
from daemon.store.sqlite.hardening import harden

# In steps of SQLite's machine: some milliseconds of work, so that the call does not count.
_PROGRESS_STEPS = 200_000
_BUSY_TIMEOUT_MS = 2_000
# A backup or another long read lets the log grow; what is beyond this is given back to the disk when it is over.
_LASTING_LOG_BYTES = 64_000_000
# Half of SQLite's own: what readers look up is in the operating system's cache, once for all of them.
_READER_CACHE_KIB = 1_000


def writing_engine(path: Path, progress: Progress) -> Engine:
    """Return what writes the database at `path`, over a single connection; it is made if it is not there.

    `progress` counts what statements get done, long ones too.
    """
    prepare = partial(_prepare_writer, is_new=not path.exists(), progress=progress)
    return _engine(
        URL.create("sqlite", database=str(path)), "BEGIN IMMEDIATE", prepare=prepare, poolclass=pool.StaticPool
    )


def read_only_engine(path: Path) -> Engine:
    """Return what reads the database at `path`, over a few connections, and cannot write it."""
    read_only = URL.create("sqlite", database=path.absolute().as_uri(), query={"mode": "ro", "uri": "true"})
    # The connection that was given back last knows the most: the others are for when it is taken.
    return _engine(
        read_only, "BEGIN", prepare=_prepare_reader, poolclass=pool.QueuePool, pool_size=READERS, pool_use_lifo=True
    )


def _engine(url: URL, begin: str, prepare: Callable[[Any], None], poolclass: type[pool.Pool], **options: Any) -> Engine:
    # Connections move between worker threads, one at a time: hence no check_same_thread.
    engine = create_engine(
        url,
        poolclass=poolclass,
        connect_args={"check_same_thread": False},
        execution_options={RUN_ROWS: run_rows},
        **options,
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        # The sqlite3 module's own transaction handling delays BEGIN; ours is explicit.
        connection.isolation_level = None
        harden(connection)
        prepare(connection)

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # The driver's own cursor: Core's way to it costs several times the statement, at every transaction.
        try:
            connection.connection.cursor().execute(begin)
        except sqlite3.Error as error:
            raise DBAPIError.instance(begin, None, error, Exception) from error

    return engine


def _prepare_writer(connection: Any, is_new: bool, progress: Progress) -> None:
    connection.set_progress_handler(partial(_note, progress), _PROGRESS_STEPS)
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA synchronous = FULL")
    if is_new:  # before the first table is made: else the file would have to be rewritten to be able to shrink
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_FRAMES}")
    connection.execute(f"PRAGMA journal_size_limit = {_LASTING_LOG_BYTES}")


def _note(progress: Progress) -> int:
    progress.note()
    return 0  # anything else would interrupt the statement


def _prepare_reader(connection: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")


def use_write_ahead_log(engine: Engine) -> None:
    """Have commits written to a log beside the file.

    Not before the file is known to be ours: this is written into it, and not within a transaction.
    """
    connection = engine.raw_connection()
    connection.cursor().execute("PRAGMA journal_mode = WAL")
    # By which a statement that fails is undone. With 64 KiB of it SQLite would make a file, in almost every commit.
    connection.cursor().execute("PRAGMA temp_store = MEMORY")
    connection.close()
