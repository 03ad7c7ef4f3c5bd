"""Opening the database file: pragmas, migrations, and one sentence when it cannot be used."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, pool, text
from sqlalchemy.exc import DatabaseError

from daemon.store.progress import Progress
from daemon.store.schema import HEAD_REVISION
from daemon.store.sequences import Sequences

if TYPE_CHECKING:  # it takes a quarter of a second to import: see _upgrade
    from alembic.config import Config

READERS = 4
# The newest revision whose secrets stood readable in the database.
LAST_READABLE = "0001"
_BUSY_TIMEOUT_MS = 2_000
# 16 MB of write-ahead log: the fewer checkpoints, the fewer times a large database writes the same pages. At SQLite's
# 4 MB a delivery costs a third more with a million old ones.
_CHECKPOINT_PAGES = 4_000
# A backup or another long read lets the log grow; what is beyond this is given back to the disk when it is over.
_LASTING_LOG_BYTES = 64_000_000
# Half of SQLite's own: what readers look up is in the operating system's cache, once for all of them.
_READER_CACHE_KIB = 1_000

Seal = Callable[[str, str], str]


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

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(str(self.writing.url.database))

    @property
    def rows_written(self) -> int:
        """How many rows the writer has inserted, changed and deleted so far."""
        return int(self.writer.connection.driver_connection.total_changes)  # type: ignore[union-attr]  # it is open

    def close(self) -> None:
        """Close every connection."""
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
    if path.exists() and not os.access(path, os.W_OK):
        raise DatabaseRefused(f"{path}: is read-only: give this user the right to write it")
    progress = progress or Progress()
    prepare = partial(_prepare_writer, is_new=not path.exists(), progress=progress)
    writing = _engine(URL.create("sqlite", database=str(path)), "BEGIN IMMEDIATE", prepare, pool.StaticPool)
    try:
        before, sequences = _migrate(writing, seal)
        _use_write_ahead_log(writing)
        if before == LAST_READABLE:
            _overwrite_free_space(writing)
    except DatabaseError as error:
        writing.dispose()
        raise DatabaseRefused(
            f"{path}: cannot be opened ({error.orig}): restore it from a backup, or free it"
        ) from None
    except DatabaseRefused as refusal:
        writing.dispose()
        raise DatabaseRefused(f"{path}: {refusal}") from None
    return Database(writing, writing.connect(), read_only_engine(path), sequences, progress)


def read_only_engine(path: Path) -> Engine:
    """Return what reads the database at `path`, over a few connections, and cannot write it."""
    read_only = URL.create("sqlite", database=path.absolute().as_uri(), query={"mode": "ro", "uri": "true"})
    # The connection that was given back last knows the most: the others are for when it is taken.
    return _engine(read_only, "BEGIN", _prepare_reader, pool.QueuePool, pool_size=READERS, pool_use_lifo=True)


def require_known_revision(revision: str) -> None:
    """Raise DatabaseRefused unless this version can open a database of this revision."""
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(_migrations()).walk_revisions()}
    if revision not in known:
        raise DatabaseRefused(f"was made by a newer version (revision {revision}): install that version again")


def _engine(url: URL, begin: str, prepare: Callable[[Any], None], poolclass: type[pool.Pool], **options: Any) -> Engine:
    # Connections move between worker threads, one at a time: hence no check_same_thread.
    engine = create_engine(url, poolclass=poolclass, connect_args={"check_same_thread": False}, **options)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        # The sqlite3 module's own transaction handling delays BEGIN; ours is explicit.
        connection.isolation_level = None
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
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
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


def _overwrite_free_space(engine: Engine) -> None:
    """Leave nothing of what was deleted or replaced in the file."""
    connection = engine.raw_connection()
    connection.cursor().execute("VACUUM")
    connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _migrate(engine: Engine, seal: Seal) -> tuple[str | None, Sequences]:
    with engine.begin() as connection:
        current = _revision(connection)
        if current != HEAD_REVISION:
            _upgrade(connection, current, seal)
        return current, Sequences(connection)


def _revision(connection: Connection) -> str | None:
    tables = inspect(connection).get_table_names()
    if tables and "alembic_version" not in tables:
        raise DatabaseRefused("is the database of another program: choose another state directory")
    if not tables:
        return None
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if revision is None else str(revision)


def _upgrade(connection: Connection, current: str | None, seal: Seal) -> None:
    # Imported here: it takes a quarter of a second, and most starts find nothing to do.
    from alembic import command

    if current is not None:
        require_known_revision(current)
    config = _migrations()
    config.attributes.update(connection=connection, seal=seal)
    command.upgrade(config, "head")


def _migrations() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resources.files("daemon.store") / "migrations"))
    return config
