"""What nodes call out to each other: NOTIFY, and a connection that listens.

A notice is a hint: it can be lost, and whoever misses it finds the same in the database within a second. It is sent
after the commit that it is about, in a transaction of its own: NOTIFY takes a lock of the whole server until COMMIT.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import psycopg
import trio
from psycopg import pq
from sqlalchemy import Connection

from daemon.actors.threads import RunInThread
from daemon.domain.errors import StoreUnavailable
from daemon.domain.printable import in_one_line
from daemon.store.nodes import Notice
from daemon.store.postgresql import pipeline
from daemon.store.postgresql.binary import texts
from daemon.store.postgresql.exchange import Statement

_NOTIFY = Statement("SELECT pg_notify(channel, payload) FROM unnest($1::text[], $2::text[]) AS given(channel, payload)")


def notify(connection: Connection, notices: Sequence[tuple[str, str]]) -> None:
    """Send notices: pairs of a channel and a payload."""
    channels, payloads = zip(*notices, strict=True)
    pipeline.fetch_alone(connection, _NOTIFY, (texts(channels), texts(payloads)))


@asynccontextmanager
async def listening(
    connect: Callable[[], psycopg.Connection[Any]], channels: Sequence[str], run_in_thread: RunInThread
) -> AsyncIterator["Listener"]:
    """Listen to these channels for the block, the first of them for our own echo. Raises StoreUnavailable."""
    try:
        connection = await run_in_thread(partial(_connect, connect, channels))
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"the database cannot be listened to ({in_one_line(error)})") from error
    try:
        yield Listener(connection, channels[0])
    finally:
        connection.close()


def _connect(connect: Callable[[], psycopg.Connection[Any]], channels: Sequence[str]) -> psycopg.Connection[Any]:
    connection = connect()
    for channel in channels:
        connection.execute(f"LISTEN {channel}".encode())
    return connection


class Listener:
    """A connection that listens, on the event loop: only making it takes a thread."""

    def __init__(self, connection: psycopg.Connection[Any], echo_channel: str) -> None:
        self._pgconn = connection.pgconn
        self._pgconn.nonblocking = 1
        self._echo = f"NOTIFY {echo_channel}".encode()

    async def receive(self, within_s: float) -> list[Notice]:
        """Wait for notices, up to so long; return what came. Raises StoreUnavailable when the connection is lost."""
        with trio.move_on_after(within_s):
            await trio.lowlevel.wait_readable(self._pgconn.socket)
        try:
            self._pgconn.consume_input()
            self._discard_results()
        except psycopg.OperationalError as error:
            raise StoreUnavailable(f"the database no longer tells of changes ({in_one_line(error)})") from error
        return self._notices()

    def call_echo(self) -> None:
        """Call out to ourselves: what comes back shows that notices come. Raises StoreUnavailable."""
        try:
            if self._pgconn.transaction_status == pq.TransactionStatus.IDLE:
                self._pgconn.send_query(self._echo)
                self._pgconn.flush()
        except psycopg.OperationalError as error:
            raise StoreUnavailable(f"the database no longer tells of changes ({in_one_line(error)})") from error

    def _discard_results(self) -> None:
        while not self._pgconn.is_busy() and self._pgconn.get_result() is not None:
            pass

    def _notices(self) -> list[Notice]:
        notices = []
        while (notice := self._pgconn.notifies()) is not None:
            notices.append(Notice(notice.relname.decode(), notice.extra.decode("utf-8", "replace")))
        return notices
