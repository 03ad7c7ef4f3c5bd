"""Where the daemons under measure keep their data: a file each, or a database each on a PostgreSQL of the bench's own.

What a suite fills is filled into the file, which is quick; the daemon's own `migrate-store` then moves it.
"""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import psycopg

from daemon.config.settings import Settings
from daemon.maintenance.migrate_to_postgresql import migrate_to_postgresql
from daemon.maintenance.state_dir import DATABASE
from daemon.maintenance.store_migration import settings_with
from tests.bench.bulk_insert import flush
from tests.bench.filling import redirect
from tests.cluster.chaos.server import HOST, open_server
from tests.support.postgresql import SUPERUSER
from tests.support.process import Sections

Rows = list[tuple[Any, ...]]


class Store(Protocol):
    """What holds the rows of each state directory. Everything blocks; no daemon runs meanwhile, but for `query`."""

    @property
    def name(self) -> str:
        """What the command line calls it."""

    def make(self, state_dir: Path) -> Sections:
        """Make room for a new daemon; return its settings."""

    def take_over(self, state_dir: Path) -> None:
        """Take what was filled into the file of a state directory."""

    def copy(self, source: Path, target: Path) -> None:
        """Copy a state directory with all its rows, and have it on the disk."""

    def remove(self, state_dir: Path) -> None:
        """Remove a state directory with all its rows."""

    def redirect(self, state_dir: Path, url: str) -> None:
        """Give every webhook this URL."""

    def query(self, state_dir: Path, statement: str) -> Rows:
        """Return what a statement finds; both engines must understand it."""


@dataclass(frozen=True, slots=True)
class SqliteStore:
    """A file in each state directory."""

    name: str = "sqlite"

    def make(self, _state_dir: Path) -> Sections:
        """Leave it to the daemon."""
        return {}

    def take_over(self, state_dir: Path) -> None:
        """Leave it where it is."""

    def copy(self, source: Path, target: Path) -> None:
        """Copy the files."""
        shutil.copytree(source, target)
        flush(target / DATABASE)

    def remove(self, state_dir: Path) -> None:
        """Remove the files."""
        shutil.rmtree(state_dir)

    def redirect(self, state_dir: Path, url: str) -> None:
        """Change the file."""
        redirect(state_dir, url)

    def query(self, state_dir: Path, statement: str) -> Rows:
        """Read the file."""
        with closing(sqlite3.connect(f"{(state_dir / DATABASE).absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(statement).fetchall()


SQLITE = SqliteStore()


@dataclass(frozen=True, slots=True)
class PostgresqlStore:
    """A database for each state directory, on a server whose databases have these URLs."""

    url_of: Callable[[str], str]
    name: str = "postgresql"

    def make(self, state_dir: Path) -> Sections:
        """Make an empty database."""
        self._on_server(f"CREATE DATABASE {_database_of(state_dir)}")
        return {"store": {"url": self.url_of(_database_of(state_dir))}}

    def take_over(self, state_dir: Path) -> None:
        """Move the file's rows, as whoever outgrows a file does."""
        name = _database_of(state_dir)
        if not self._on_server(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            self._on_server(f"CREATE DATABASE {name}")
        migrate_to_postgresql(settings_with(Settings(state_dir=state_dir), self.url_of(name)), None, lambda *_: None)
        self._run(name, "VACUUM ANALYZE")
        self._on_server("CHECKPOINT")

    def copy(self, source: Path, target: Path) -> None:
        """Copy the keys, and the database on the server."""
        shutil.copytree(source, target)
        name = _database_of(target)
        self._on_server(f"DROP DATABASE IF EXISTS {name}")
        self._on_server(f"CREATE DATABASE {name} TEMPLATE {_database_of(source)}")
        self._on_server("CHECKPOINT")

    def remove(self, state_dir: Path) -> None:
        """Remove the keys, and drop the database."""
        shutil.rmtree(state_dir)
        self._on_server(f"DROP DATABASE IF EXISTS {_database_of(state_dir)} WITH (FORCE)")

    def redirect(self, state_dir: Path, url: str) -> None:
        """Change the rows."""
        self._run(_database_of(state_dir), f"UPDATE webhooks SET url = '{url}'")

    def query(self, state_dir: Path, statement: str) -> Rows:
        """Ask the server."""
        return self._run(_database_of(state_dir), statement)

    def _on_server(self, statement: str) -> Rows:
        return self._run("postgres", statement)

    def _run(self, database: str, statement: str) -> Rows:
        with psycopg.connect(self.url_of(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@asynccontextmanager
async def opened_store(name: str) -> AsyncIterator[Store]:
    """Have this store for a block; a server of PostgreSQL flushes each commit, as it would for a customer."""
    if name == SQLITE.name:
        yield SQLITE
        return
    async with open_server() as server:
        yield PostgresqlStore(lambda database: f"postgresql://{SUPERUSER}@{HOST}:{server.port}/{database}")


def _database_of(state_dir: Path) -> str:
    return f"bench_{sha256(str(state_dir.absolute()).encode()).hexdigest()[:16]}"
