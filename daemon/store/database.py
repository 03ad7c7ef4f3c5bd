"""Opening the database file: pragmas, migrations, and one sentence when it cannot be used."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, pool, text
from sqlalchemy.exc import DatabaseError

from daemon.store.schema import HEAD_REVISION
from daemon.store.sequences import Sequences

READERS = 4
_BUSY_TIMEOUT_MS = 2_000


class DatabaseRefused(Exception):
    """The database cannot be used: the message says why and what to do. The file was not changed."""


@dataclass(frozen=True, slots=True)
class Database:
    """One engine that writes (a single connection), one that only reads, and the order of what is written."""

    writing: Engine
    reading: Engine
    sequences: Sequences

    def close(self) -> None:
        """Close every connection."""
        self.reading.dispose()
        self.writing.dispose()


def open_database(path: Path) -> Database:
    """Open or create the database at `path` and bring it to the newest revision.

    Raises DatabaseRefused when the file is not ours, is damaged, or was made by a newer version.
    """
    writing = _engine(f"sqlite:///{path}", "BEGIN IMMEDIATE", _prepare_writer, pool.StaticPool)
    try:
        sequences = _migrate(writing)
    except DatabaseError as error:
        writing.dispose()
        raise DatabaseRefused(
            f"{path}: cannot be opened ({error.orig}): restore it from a backup, or free it"
        ) from None
    except DatabaseRefused as refusal:
        writing.dispose()
        raise DatabaseRefused(f"{path}: {refusal}") from None
    reading = _engine(
        f"sqlite:///file:{path}?mode=ro&uri=true", "BEGIN", _prepare_reader, pool.QueuePool, pool_size=READERS
    )
    return Database(writing, reading, sequences)


def _engine(url: str, begin: str, prepare: Callable[[Any], None], poolclass: type[pool.Pool], **options: Any) -> Engine:
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


def _prepare_writer(connection: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _prepare_reader(connection: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA query_only = ON")


def _migrate(engine: Engine) -> Sequences:
    with engine.begin() as connection:
        current = _revision(connection)
        if current != HEAD_REVISION:
            _upgrade(connection, current)
        return Sequences(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if revision is None else str(revision)


def _upgrade(connection: Connection, current: str | None) -> None:
    # Imported here: it takes a quarter of a second, and most starts find nothing to do.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(resources.files("daemon.store") / "migrations"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseRefused(f"was made by a newer version (revision {current}): install that version again")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
