"""Nodes of two versions on one database: who may go on while it is upgraded, and who may not (architecture "Nodes")."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread

import pytest
from sqlalchemy import Connection, text

from daemon.store.engine import DatabaseAway, DatabaseRefused
from daemon.store.nodes import Identity, NotAdmitted, Terms
from daemon.store.postgresql import membership
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.database import PostgresqlDatabase, open_database
from tests.support.next_version import BEFORE, REVISION, next_version
from tests.support.postgresql import PostgresqlServer

OLD = Identity(installation="a", name="old", host="one", version="1.2.3", terms=Terms(BEFORE))
NEW = Identity(installation="b", name="new", host="two", version="9.0.0", terms=Terms(REVISION))
STOP_IT = "has to be upgraded in a way that nodes of another version cannot work with: stop old (version 1.2.3) first"


@pytest.fixture
def address(postgresql_server: PostgresqlServer) -> Iterator[Address]:
    """A database of its own: what a migration makes stays."""
    with postgresql_server.database("ours") as address:
        yield address


@pytest.fixture
def database(address: Address) -> Iterator[PostgresqlDatabase]:
    """The database, opened by this version."""
    opened = open_database(address)
    yield opened
    opened.close()


@contextmanager
def transaction(database: PostgresqlDatabase) -> Iterator[Connection]:
    with database.coordinating.begin() as connection:
        yield connection


def upgrade(address: Address, which: str) -> None:
    with next_version(which):
        open_database(address).close()


def refusal(address: Address, which: str) -> str:
    with pytest.raises(DatabaseRefused) as refused:
        upgrade(address, which)
    assert not isinstance(refused.value, DatabaseAway)
    assert "\n" not in str(refused.value)
    return str(refused.value).removeprefix(f"{address}: ")


def revision(database: PostgresqlDatabase) -> str:
    with transaction(database) as connection:
        found: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    return found


def join(database: PostgresqlDatabase, me: Identity) -> int:
    with transaction(database) as connection:
        return membership.join(connection, me)


def test_an_additive_upgrade_goes_on_beside_nodes_of_the_version_before(
    address: Address, database: PostgresqlDatabase
) -> None:
    node = join(database, OLD)
    upgrade(address, "additive")
    assert revision(database) == REVISION
    with transaction(database) as connection:
        assert membership.renew(connection, node, "{}"), "it lives on"
    open_database(address).close()  # and may be started again
    assert revision(database) == REVISION
    assert join(database, OLD) < join(database, NEW)


def test_a_breaking_upgrade_is_refused_while_a_node_of_the_version_before_lives(
    address: Address, database: PostgresqlDatabase
) -> None:
    node = join(database, OLD)
    assert refusal(address, "breaking") == STOP_IT
    assert revision(database) == BEFORE
    with transaction(database) as connection:
        membership.leave(connection, node, "stopped")
    upgrade(address, "breaking")
    assert revision(database) == REVISION


def test_after_a_breaking_upgrade_no_node_of_the_version_before_starts_or_joins(
    address: Address, database: PostgresqlDatabase
) -> None:
    upgrade(address, "breaking")
    with pytest.raises(DatabaseRefused, match="was made by a newer version"):
        open_database(address)
    with pytest.raises(NotAdmitted, match=r"tables that this version .* cannot work with: install the version"):
        join(database, OLD)
    join(database, NEW)


def test_a_node_that_is_frozen_while_the_database_is_upgraded_is_ended(
    address: Address, database: PostgresqlDatabase
) -> None:
    node = join(database, OLD)
    with transaction(database) as connection:
        connection.execute(text("UPDATE leases SET until = clock_timestamp() - interval '1 second'"))
    upgrade(address, "breaking")
    with transaction(database) as connection:
        assert not membership.renew(connection, node, "{}"), "what it still writes dies at the fence"


def test_a_node_that_joins_during_a_breaking_upgrade_is_not_overlooked(
    address: Address, database: PostgresqlDatabase
) -> None:
    said: SimpleQueue[str] = SimpleQueue()
    with transaction(database) as connection:
        membership.join(connection, OLD)
        upgrading = Thread(target=lambda: said.put(refusal(address, "breaking")))
        upgrading.start()
        _until_somebody_waits(database)
    upgrading.join()
    assert said.get_nowait() == STOP_IT


def test_an_upgrade_that_waits_for_a_long_transaction_gives_up_and_tries_again(
    address: Address, database: PostgresqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.store.postgresql.newest._LONGEST_WAIT_MS", 50)
    with transaction(database) as connection:
        connection.execute(text("SELECT count(*) FROM webhooks"))
        with pytest.raises(DatabaseAway, match="lock timeout"):
            upgrade(address, "additive")
    upgrade(address, "additive")


def _until_somebody_waits(database: PostgresqlDatabase) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    for _ in range(10_000):
        with database.reading.connect() as connection:
            if connection.execute(waiting).scalar_one():
                return
    raise AssertionError("nobody waits for the node's row")
