"""Notices over a real server: what is called out is heard, and a connection that brings none is found out."""

from functools import partial

import pytest
import trio

from daemon.actors.threads import thread_runner
from daemon.cluster.listening import Echo, Listening
from daemon.domain.errors import StoreUnavailable
from daemon.store import channels
from daemon.store.nodes import Notice
from daemon.store.postgresql.address import Address
from daemon.store.postgresql.database import PostgresqlDatabase
from daemon.store.postgresql.notices import Listener, listening, notify
from tests.support.telemetry import make_telemetry


async def receive(listener: Listener, count: int) -> list[Notice]:
    """Wait for so many notices."""
    heard: list[Notice] = []
    with trio.fail_after(5):
        while len(heard) < count:
            heard += await listener.receive(1)
    return heard


def call_out(database: PostgresqlDatabase, *notices: tuple[str, str]) -> None:
    with database.coordinating.begin() as connection:
        notify(connection, notices)


async def test_what_a_node_calls_out_is_heard_with_its_channel(address: Address, database: PostgresqlDatabase) -> None:
    connect = partial(address.connect, {}, autocommit=True)
    async with listening(connect, channels.ALL, thread_runner(1)) as listener:
        call_out(database, (channels.WAKES, "wh_1,wh_2"), (channels.FEED, ""))
        assert await receive(listener, 2) == [Notice(channels.WAKES, "wh_1,wh_2"), Notice(channels.FEED, "")]


async def test_a_listener_hears_its_own_echo(address: Address, database: PostgresqlDatabase) -> None:
    connect = partial(address.connect, {}, autocommit=True)
    async with listening(connect, channels.ALL, thread_runner(1)) as listener:
        for _ in range(3):
            listener.call_echo()
            assert await receive(listener, 1) == [Notice(channels.ECHO, "")]


async def test_a_listener_whose_connection_the_server_ends_says_so(
    address: Address, database: PostgresqlDatabase
) -> None:
    connect = partial(address.connect, {}, autocommit=True)
    async with listening(connect, channels.ALL, thread_runner(1)) as listener:
        with database.coordinating.begin() as connection:
            connection.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^LISTEN'")
        with pytest.raises(StoreUnavailable, match="no longer tells"):
            await receive(listener, 1)


async def test_a_node_whose_listener_is_ended_listens_again_and_looks_at_everything(
    address: Address, database: PostgresqlDatabase, nursery: trio.Nursery
) -> None:
    connect, woken, looks = partial(address.connect, {}, autocommit=True), list[str](), list[int]()
    listen = partial(listening, connect, channels.ALL, thread_runner(1))
    heard, log = {channels.WAKES: woken.extend}, make_telemetry().log
    hearing = Listening(listen, heard, lambda: looks.append(1), echo=Echo(), log=log)
    nursery.start_soon(hearing.run)
    with trio.fail_after(10):
        while len(looks) < 2:
            with database.coordinating.begin() as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query ~ '^(LISTEN|NOTIFY)' AND datname = current_database()"
                )
            await trio.sleep(0.1)
        while not woken:
            call_out(database, (channels.WAKES, "wh_1"))
            await trio.sleep(0.1)
    assert woken[0] == "wh_1"
