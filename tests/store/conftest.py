from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.store.postgresql.database import open_database as open_postgresql
from daemon.store.sqlite.database import Database, open_database
from tests.store.filling import AnyDatabase
from tests.support.postgresql import PostgresqlServer, running_server
from tests.support.statements import share_statements


@pytest.fixture(scope="session")
def postgresql() -> Iterator[tuple[PostgresqlServer, str]]:
    """A server, and the name of a database in it with our tables."""
    with running_server() as server:
        yield server, server.make_template()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    opened = share_statements(open_database(tmp_path / "test.db"))
    yield opened
    opened.close()


@pytest.fixture
def postgresql_database(postgresql: tuple[PostgresqlServer, str]) -> Iterator[AnyDatabase]:
    server, template = postgresql
    with server.database(template) as url:
        opened = open_postgresql(url)
        yield opened
        opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> AnyDatabase:
    """An empty database of each engine."""
    opened: AnyDatabase = request.getfixturevalue(f"{request.param}_database")
    return opened
