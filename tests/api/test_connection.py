"""How long a client is waited for, in virtual time and by default."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock, lockstep_stream_pair

from api.server.connection import DEFAULT_PATIENCE, Connection


class _Socket:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def a_connection() -> tuple[Connection, Any]:
    """Return a connection, and its client: nothing is sent that the other side does not take."""
    client, stream = lockstep_stream_pair()
    cast(Any, stream).socket = _Socket()
    return Connection(cast(trio.SocketStream, stream), DEFAULT_PATIENCE), client


async def seconds_of(wait: Callable[[], Awaitable[Any]]) -> float:
    started = trio.current_time()
    await wait()
    return trio.current_time() - started


async def drip(client: trio.abc.SendStream) -> None:
    try:
        while True:
            await client.send_all(b"a")
            await trio.sleep(0.1)
    except trio.BrokenResourceError:
        pass


async def test_a_head_has_thirty_seconds_however_often_a_byte_of_it_comes(autojump_clock: MockClock) -> None:
    connection, client = a_connection()

    async def read_to_end() -> None:
        while await connection.receive_some(1):
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip, client)
        assert await seconds_of(read_to_end) == pytest.approx(30)
        nursery.cancel_scope.cancel()


async def test_a_piece_of_a_response_has_fifteen_seconds_to_be_read(autojump_clock: MockClock) -> None:
    connection, _client = a_connection()

    async def send() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await connection.send_all(b"hello")

    assert await seconds_of(send) == pytest.approx(15)
    assert cast(_Socket, connection.socket).closed


async def test_what_a_client_still_sends_after_its_answer_is_taken_for_one_second(autojump_clock: MockClock) -> None:
    connection, client = a_connection()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip, client)
        assert await seconds_of(connection.aclose) == pytest.approx(1)
