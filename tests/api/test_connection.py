"""How long a client is waited for, in virtual time and by default."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from api.server.connection import DEFAULT_PATIENCE, Connection

MORE_THAN_BUFFERS_HOLD = bytes(16 * 1024 * 1024)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Connection, trio.SocketStream]]:
    """A connection, and its client."""
    ours, theirs = trio.socket.socketpair()
    with ours, theirs:
        yield Connection(trio.SocketStream(ours), DEFAULT_PATIENCE), trio.SocketStream(theirs)


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


async def test_a_head_has_thirty_seconds_however_often_a_byte_of_it_comes(
    pair: tuple[Connection, trio.SocketStream], autojump_clock: MockClock
) -> None:
    connection, client = pair

    async def read_to_end() -> None:
        while await connection.receive_some(1):
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip, client)
        assert await seconds_of(read_to_end) == pytest.approx(30)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("send", [Connection.send_all, Connection.send_now])
async def test_a_piece_of_a_response_has_fifteen_seconds_to_be_read(
    pair: tuple[Connection, trio.SocketStream],
    autojump_clock: MockClock,
    send: Callable[[Connection, bytes], Awaitable[None]],
) -> None:
    connection, _client = pair

    async def send_too_much() -> None:
        with pytest.raises(trio.BrokenResourceError):
            await send(connection, MORE_THAN_BUFFERS_HOLD)

    assert await seconds_of(send_too_much) == pytest.approx(15)
    assert connection.socket.fileno() == -1


async def test_a_response_that_is_sent_at_once_arrives_whole_however_slowly_it_is_read(
    pair: tuple[Connection, trio.SocketStream], autojump_clock: MockClock
) -> None:
    connection, client = pair
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.send_now, MORE_THAN_BUFFERS_HOLD)
        while len(received) < len(MORE_THAN_BUFFERS_HOLD):
            await trio.sleep(0.01)
            received += await client.receive_some()
    assert received == MORE_THAN_BUFFERS_HOLD


@pytest.mark.parametrize("send", [Connection.send_all, Connection.send_now])
async def test_who_sends_to_a_client_that_is_gone_or_on_a_closed_connection_is_told(
    pair: tuple[Connection, trio.SocketStream], send: Callable[[Connection, bytes], Awaitable[None]]
) -> None:
    connection, client = pair
    await client.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await send(connection, b"hello")
    connection.abort()
    with pytest.raises(trio.ClosedResourceError):
        await send(connection, b"hello")


async def test_who_reads_when_the_connection_is_aborted_is_told(pair: tuple[Connection, trio.SocketStream]) -> None:
    connection, _client = pair
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            for _ in range(2):
                with pytest.raises(trio.ClosedResourceError):
                    await connection.receive_some(1)

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        connection.abort()


async def test_what_a_client_still_sends_after_its_answer_is_taken_for_one_second(
    pair: tuple[Connection, trio.SocketStream], autojump_clock: MockClock
) -> None:
    connection, client = pair
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip, client)
        assert await seconds_of(connection.aclose) == pytest.approx(1)
