"""On which engine the daemons of a test keep their data: SQLite, unless it runs once on each."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path

from daemon.store.postgresql.address import Address
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.postgresql.database import open_database as open_postgresql
from daemon.store.sqlite.database import Database, open_database
from tests.support.reused_databases import ReusedDatabases
from tests.support.statements import share_statements

ENGINES = ("sqlite", "postgresql")
AnyDatabase = Database | PostgresqlDatabase
Open = Callable[[Path], AnyDatabase]


def open_file(state_dir: Path) -> AnyDatabase:
    """Open the SQLite database of a state directory."""
    return share_statements(open_database(state_dir / "test.db"))


_open: ContextVar[Open] = ContextVar("open", default=open_file)


def open_engine(state_dir: Path) -> AnyDatabase:
    """Open the database that belongs to a state directory, on the engine of this test."""
    return _open.get()(state_dir)


@contextmanager
def on_postgresql(reused: ReusedDatabases) -> Iterator[None]:
    """Have the daemons of a block keep their data in PostgreSQL: in one database for each state directory."""
    with ExitStack() as databases:
        lent: dict[Path, Address] = {}

        def open_one(state_dir: Path) -> AnyDatabase:
            if state_dir in lent:
                return share_statements(open_postgresql(lent[state_dir]))
            database = databases.enter_context(reused.lend())
            lent[state_dir] = database.address
            return database.open()

        before = _open.set(open_one)
        yield
        _open.reset(before)
