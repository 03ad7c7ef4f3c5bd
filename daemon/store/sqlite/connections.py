"""Connections to the file, with their pragmas: one that writes, and a few read-only ones."""

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

# In instructions of SQLite's virtual machine: a few milliseconds of work, compared to which the call is cheap.
_PROGRESS_STEPS = 200_000
_BUSY_TIMEOUT_MS = 2_000
# A backup or another long read lets the log grow; afterwards the file is truncated to this size.
_MAX_IDLE_LOG_BYTES = 64_000_000
# Twice SQLite's default. Enough for all pages that a batch of 500 events for 50 webhooks changes: pages that do not fit
# are written before the commit, read again, changed and written again.
_WRITER_CACHE_KIB = 4_000
# Half of SQLite's default: the operating system's cache serves all readers.
_READER_CACHE_KIB = 1_000


def writing_engine(path: Path, progress: Progress) -> Engine:
    """Return an engine with the one connection that writes to the database at `path`, which it creates if necessary.

    `progress` counts the work of statements, also while a long one runs.
    """
    prepare = partial(_prepare_writer, is_new=not path.exists(), progress=progress)
    return _engine(
        URL.create("sqlite", database=str(path)), "BEGIN IMMEDIATE", prepare=prepare, poolclass=pool.StaticPool
    )


def read_only_engine(path: Path) -> Engine:
    """Return an engine with a few connections that read the database at `path` and cannot write."""
    read_only = URL.create("sqlite", database=path.absolute().as_uri(), query={"mode": "ro", "uri": "true"})
    # Last in, first out: the connection used last has the most pages in its cache.
    return _engine(
        read_only, "BEGIN", prepare=_prepare_reader, poolclass=pool.QueuePool, pool_size=READERS, pool_use_lifo=True
    )


def _engine(url: URL, begin: str, prepare: Callable[[Any], None], poolclass: type[pool.Pool], **options: Any) -> Engine:
    # Worker threads take turns in using a connection: hence no check_same_thread.
    engine = create_engine(
        url,
        poolclass=poolclass,
        connect_args={"check_same_thread": False},
        execution_options={RUN_ROWS: run_rows},
        **options,
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        # The sqlite3 module's transaction handling would delay BEGIN; ours is explicit.
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
    connection.execute(
        "PRAGMA secure_delete = ON"
    )  # else what was erased would lie in the file until it is overwritten
    connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
    if is_new:  # before the first table exists: later it would take a rewrite of the file
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_FRAMES}")
    connection.execute(f"PRAGMA journal_size_limit = {_MAX_IDLE_LOG_BYTES}")


def _note(progress: Progress) -> int:
    progress.note()
    return 0  # anything else would interrupt the statement


def _prepare_reader(connection: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")


def use_write_ahead_log(engine: Engine) -> None:
    """Switch to the write-ahead log.

    Call it outside of a transaction, and after the file has been found to be ours: it writes to the file.
    """
    connection = engine.raw_connection()
    connection.cursor().execute("PRAGMA journal_mode = WAL")
    connection.close()


def keep_statement_journals_in_memory(engine: Engine) -> None:
    """Keep in memory what a statement that fails is undone by: from 64 KiB on SQLite would create a file for it.

    Call it after the migrations: their VACUUM would take as much memory as the database is large.
    """
    connection = engine.raw_connection()
    connection.cursor().execute("PRAGMA temp_store = MEMORY")
    connection.close()
