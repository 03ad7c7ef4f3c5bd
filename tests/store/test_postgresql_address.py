"""Connections to PostgreSQL: what the URL says, what it need not say, where the password comes from."""

import os
import socket
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from daemon.config.settings import Settings
from daemon.maintenance.postgresql_store import addresses_of
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.connections import reading_engine
from tests.support.postgresql import PostgresqlServer

URL = "postgresql://kakiyo:of-the-url@db/kakiyo"


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """With which parameters connections were made: none is made."""
    parameters: list[dict[str, object]] = []

    def connect(conninfo: str, **given: object) -> None:
        parameters.append({**conninfo_to_dict(conninfo), **given})

    monkeypatch.setattr("psycopg.connect", connect)
    return parameters


def settings(tmp_path: Path, **store: object) -> Settings:
    return Settings.model_validate({"state_dir": tmp_path, "store": {"url": URL, **store}})


def test_a_password_file_wins_and_is_read_at_each_connection(
    tmp_path: Path, connected: list[dict[str, object]]
) -> None:
    file = tmp_path / "password"
    address, _ = addresses_of(settings(tmp_path, password_file=file))
    for password in ("first", "sécond"):
        file.write_text(f"{password}\n", "utf-8")
        address.connect({})
    assert [given["password"] for given in connected] == ["first", "sécond"]
    file.unlink()
    with pytest.raises(psycopg.OperationalError, match="the database's password cannot be read"):
        address.connect({})


def test_without_a_password_file_the_credential_is_used(
    tmp_path: Path, connected: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    file = tmp_path / "store-password"
    for content in ("of-systemd\n", "\n"):  # an empty one is as none: "make install" makes it
        file.write_text(content)
        addresses_of(settings(tmp_path))[0].connect({})
    assert [given["password"] for given in connected] == ["of-systemd", "of-the-url"]


def test_the_url_wins_over_what_we_would_say(connected: list[dict[str, object]]) -> None:
    Address(f"{URL}?connect_timeout=20&options=-c%20jit%3Don&tcp_user_timeout=0").connect({"timezone": "UTC"})
    [given] = connected
    assert (given["connect_timeout"], given["tcp_user_timeout"]) == ("20", "0")
    assert str(given["options"]).endswith("-c jit=on -c timezone=UTC")


def test_through_a_pooler_nothing_is_kept_in_a_session(
    tmp_path: Path, connected: list[dict[str, object]], postgresql: tuple[PostgresqlServer, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    pooled, direct = addresses_of(settings(tmp_path, notify_url="postgresql://db/direct"))
    pooled.connect({})
    assert connected[0]["prepare_threshold"] is None
    assert (str(pooled), str(direct)) == ("postgresql://kakiyo:***@db/kakiyo", "postgresql://db/direct")
    monkeypatch.undo()
    server, template = postgresql
    with server.database(template) as address:
        engine = reading_engine(address)
        with engine.connect() as connection:
            of_transaction = [connection.exec_driver_sql(f"SHOW transaction_{name}").scalar() for name in _KINDS]
            of_session = [connection.exec_driver_sql(f"SHOW default_transaction_{name}").scalar() for name in _KINDS]
        engine.dispose()
    assert of_transaction == ["repeatable read", "on"]
    assert of_session == ["read committed", "off"]


_KINDS = ("isolation", "read_only")


def test_a_connection_that_falls_silent_is_given_up_after_3_seconds(postgresql: tuple[PostgresqlServer, str]) -> None:
    server, _ = postgresql
    with (
        closing(server.tcp_address("postgres").connect({})) as connection,
        socket.socket(fileno=os.dup(connection.fileno())) as ours,
    ):
        found = {name: ours.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in _TCP}
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert found == _TCP


def test_the_server_gives_up_a_client_that_was_cut_off_after_half_a_minute(
    postgresql: tuple[PostgresqlServer, str],
) -> None:
    server, _ = postgresql
    with closing(server.tcp_address("postgres").connect({})) as connection:
        shown = [connection.execute(f"SHOW tcp_keepalives_{name}").fetchone() for name in ("idle", "interval", "count")]
    assert shown == [("10",), ("5",), ("3",)]


# Of tcp(7), in seconds; the first in milliseconds.
_TCP = {"TCP_USER_TIMEOUT": 3_000, "TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2}
