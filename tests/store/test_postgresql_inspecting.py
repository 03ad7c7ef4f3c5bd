"""What is found on a real PostgreSQL server from outside the daemon, for `doctor`."""

from collections.abc import Iterator

import psycopg
import pytest

from daemon.crypto.vault import SEAL_LENGTH, Vault
from daemon.store.engine import DatabaseRefused
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.database import open_database
from daemon.store.postgresql.inspect import Facts, inspect
from daemon.store.schema import HEAD_REVISION
from tests.store.filling import NOW, accept, found
from tests.support.postgresql import PostgresqlServer

KEY = bytes(32)


@pytest.fixture
def database(postgresql: tuple[PostgresqlServer, str]) -> Iterator[Address]:
    """A database with a webhook and two pending deliveries."""
    server, template = postgresql
    with server.database(template) as address:
        opened = open_database(address)
        found(opened)
        accept(opened, [1, 2])
        opened.close()
        yield address


def look(database: Address, *, full: bool = False) -> Facts:
    return inspect(database.url, None, grace_s=10, seal_length=SEAL_LENGTH, full=full)


def change(database: Address, *statements: str) -> None:
    with database.connect({}, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_the_server_and_what_is_in_it_are_found(database: Address) -> None:
    facts = look(database, full=True)
    assert facts.server.version >= 140_000
    assert facts.server.settings["fsync"] == "off", "as our tests have it"
    assert facts.server.settings["autovacuum"] == "off"
    assert (facts.server.is_standby, facts.server.is_encrypted, facts.server.synchronous_standbys) == (False, False, 0)
    assert 0 < facts.server.connections < facts.server.most_connections < 60
    assert abs(facts.difference_ms) < 100
    assert (facts.revision, facts.pending, facts.newest_time) == (HEAD_REVISION, 2, NOW)
    assert facts.newest_urls == ["https://1.example/hook"]
    assert (facts.seals, facts.out_of_balance) == ([], [])


def test_what_needs_a_key_and_what_does_not_add_up_is_found(database: Address) -> None:
    sealed = Vault([KEY]).seal("a secret", "wh_1")
    change(database, f"UPDATE webhooks SET secret = '{sealed}'", "UPDATE teams SET balance = 7")
    facts = look(database, full=True)
    assert [Vault([KEY]).knows(seal) for seal in facts.seals] == [True]
    assert facts.out_of_balance == ["team_1"]


def test_what_keeps_vacuum_from_its_work_is_found(database: Address) -> None:
    change(
        database,
        "ALTER TABLE teams SET (autovacuum_enabled = false)",
        "INSERT INTO webhook_hours SELECT n, 'wh', 0, 0 FROM generate_series(1, 20000) AS n",
        "DELETE FROM webhook_hours",
        "ANALYZE webhook_hours",
    )
    with psycopg.connect(database.url, application_name="a dump") as holding:
        holding.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holding.execute("SELECT count(*) FROM teams")
        facts = look(database)
    assert facts.snapshot is not None
    assert facts.snapshot.whose.startswith("a dump, pid ")
    assert facts.unvacuumed == ["teams"]
    assert [(bloat.table, bloat.dead, bloat.vacuumed) for bloat in facts.bloated] == [
        ("webhook_hours", 20_000, "never")
    ]


def test_a_role_without_rights_is_told_what_it_may_know(database: Address) -> None:
    change(database, "DROP ROLE IF EXISTS nobody_special", "CREATE ROLE nobody_special LOGIN")
    try:
        change(database, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO nobody_special")
        mine = database.url.replace("user=postgres", "user=nobody_special")
        facts = inspect(mine, None, grace_s=10, seal_length=SEAL_LENGTH)
        assert facts.server.synchronous_standbys is None
        assert facts.server.connections > 0
        assert facts.pending == 2
    finally:
        change(database, "DROP OWNED BY nobody_special", "DROP ROLE nobody_special")


def test_an_empty_database_is_told_from_another_programs(postgresql: tuple[PostgresqlServer, str]) -> None:
    server, _ = postgresql
    with server.database() as database:
        assert look(database).revision is None
        change(database, "CREATE TABLE theirs (id int)")
        with pytest.raises(DatabaseRefused, match="is another program's: choose an empty database"):
            look(database)


def test_a_server_that_is_not_there_is_told_in_one_line_without_the_password() -> None:
    gone = "postgresql://someone:s3cret@/kakiyo?host=/nowhere"
    with pytest.raises(DatabaseRefused, match=r"cannot be reached \(.*/nowhere") as refusal:
        inspect(gone, None, grace_s=10, seal_length=SEAL_LENGTH)
    assert "s3cret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_nothing_is_changed_by_looking(database: Address) -> None:
    before = transactions_of(database)
    look(database, full=True)
    assert transactions_of(database) == before


def transactions_of(database: Address) -> int:
    """Return the number of the next transaction that changes something."""
    with database.connect({}, autocommit=True) as connection:
        [[number]] = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchall()
    return int(number)
