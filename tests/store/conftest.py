from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.store.postgresql.address import Address
from daemon.store.sqlite.database import Database, open_database
from tests.store.filling import AnyDatabase
from tests.support.postgresql import PostgresqlServer
from tests.support.reused_databases import Lent, ReusedDatabases
from tests.support.statements import share_statements


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    opened = share_statements(open_database(tmp_path / "test.db"))
    yield opened
    opened.close()


@pytest.fixture
def lent(reused_databases: ReusedDatabases) -> Iterator[Lent]:
    """A PostgreSQL database like a new one."""
    with reused_databases.lend() as lent:
        yield lent


@pytest.fixture
def postgresql_address(lent: Lent) -> Address:
    return lent.address


@pytest.fixture
def postgresql_database(lent: Lent) -> Iterator[AnyDatabase]:
    opened = lent.open()
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> AnyDatabase:
    """An empty database of each engine."""
    opened: AnyDatabase = request.getfixturevalue(f"{request.param}_database")
    return opened


@pytest.fixture
def postgresql_server(postgresql: tuple[PostgresqlServer, str]) -> PostgresqlServer:
    """A server that has a database `ours` with our tables."""
    return postgresql[0]
