"""Opening a PostgreSQL database: what is refused, and what may be there in a moment (contract "The database")."""

import pytest

from daemon.store.engine import DatabaseAway, DatabaseRefused
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.database import open_database
from tests.support.postgresql import PostgresqlServer


@pytest.fixture
def server(postgresql: tuple[PostgresqlServer, str]) -> PostgresqlServer:
    return postgresql[0]


def refusal(address: Address) -> DatabaseRefused:
    """Return why a database is refused, in one sentence without a password."""
    with pytest.raises(DatabaseRefused) as refused:
        open_database(address)
    assert str(refused.value).startswith(f"{address}: ")
    assert "\n" not in str(refused.value)
    assert "horse" not in str(refused.value)
    return refused.value


def with_password(address: Address) -> Address:
    return Address(f"{address.url}&password=horse")


def test_a_database_of_another_kind_is_refused_in_a_sentence(server: PostgresqlServer) -> None:
    with server.database("template0 ENCODING 'LATIN1' LOCALE 'C'") as address:
        assert "its encoding is LATIN1: make a database with ENCODING 'UTF8'" in str(refusal(with_password(address)))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE TABLE theirs (id int)", "is another program's: choose an empty database"),
        (
            "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('9999')",
            "was made by a newer version (revision 9999): install that version",
        ),
    ],
)
def test_a_database_that_is_not_ours_is_refused_and_not_changed(
    server: PostgresqlServer, statement: str, words: str
) -> None:
    with server.database() as address:
        with address.connect({}) as connection:
            connection.execute(statement)
        refused = refusal(with_password(address))
        assert words in str(refused)
        assert not isinstance(refused, DatabaseAway)
        with address.connect({}) as connection:
            [(tables,)] = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert tables == 1


def test_a_server_that_may_be_there_in_a_moment_is_away(server: PostgresqlServer) -> None:
    with server.database() as address:
        name = address.url.partition("///")[2].partition("?")[0]
        server.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        assert "takes no writes" in str(away := refusal(with_password(address)))
        assert isinstance(away, DatabaseAway)
    for address in (
        Address("postgresql://kakiyo:horse@127.0.0.1:1/kakiyo"),
        Address("postgresql://kakiyo:horse@127.0.0.1:1,127.0.0.1:2/kakiyo"),
        Address(f"{server.address('missing').url}&password=horse"),
    ):
        assert isinstance(away := refusal(address), DatabaseAway)
        assert "cannot be opened" in str(away)


def test_an_older_server_is_refused(server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.store.postgresql.newest._OLDEST_SERVER", 9_990_000)
    with server.database() as address:
        assert "upgrade it to 14 or newer" in str(refusal(address))
