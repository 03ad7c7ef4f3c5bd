import math
import socket
import struct
from collections import Counter

import httpx
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.egress.errors import DeadlinePassed
from daemon.egress.transport import EndpointTransport
from tests.egress.conftest import MakeTransport
from tests.egress.posting import post
from tests.support.receivers import (
    Answer,
    Exchange,
    ReceivedRequest,
    hang_up,
    in_turn,
    open_receiver,
    respond,
    response,
    send,
)
from tests.support.tls import TestAuthority


def connections_of(requests: list[ReceivedRequest]) -> list[int]:
    return [request.connection for request in requests]


async def test_requests_go_one_after_another_over_one_connection(transport: EndpointTransport) -> None:
    async with open_receiver(respond(200, b"ok")) as receiver:
        for number in range(5):
            assert await post(transport, receiver.url, b"%d" % number) == (200, b"ok")
        assert [request.body for request in receiver.requests] == [b"0", b"1", b"2", b"3", b"4"]
        assert receiver.connections == 1


@pytest.mark.parametrize("status", [200, 204, 304, 404, 500])
async def test_the_connection_is_kept_whatever_the_status(transport: EndpointTransport, status: int) -> None:
    async with open_receiver(respond(status)) as receiver:
        for _ in range(2):
            assert (await post(transport, receiver.url))[0] == status
        assert receiver.connections == 1


async def test_a_chunked_response_that_is_complete_keeps_the_connection(transport: EndpointTransport) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\n"
    async with open_receiver(send(chunked)) as receiver:
        for _ in range(2):
            assert await post(transport, receiver.url) == (200, b"abc")
        assert receiver.connections == 1


async def test_a_connection_that_the_receiver_closed_while_idle_is_replaced_silently(
    transport: EndpointTransport,
) -> None:
    async with open_receiver() as receiver:
        await post(transport, receiver.url)
        receiver.disconnect()
        await receiver.disconnected()
        assert (await post(transport, receiver.url))[0] == 200
        assert connections_of(receiver.requests) == [0, 1]


async def closes_without_answer(exchange: Exchange) -> None:
    exchange.keep_open = False


async def resets_without_answer(exchange: Exchange) -> None:
    raw = exchange.stream.transport_stream if isinstance(exchange.stream, trio.SSLStream) else exchange.stream
    assert isinstance(raw, trio.SocketStream)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.socket.close()


@pytest.mark.fault(
    "A receiver closes a kept connection at the very moment it is used again, 30 times in a row",
    "The request goes out at once on a new connection, in the same attempt: no attempt and no second is lost",
)
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("end", [closes_without_answer, resets_without_answer], ids=["closes", "resets"])
async def test_a_kept_connection_that_ends_as_it_is_used_again_is_replaced_within_the_attempt(
    transport: EndpointTransport, authority: TestAuthority, end: Answer, tls: bool
) -> None:
    answered: Counter[int] = Counter()

    async def once_per_connection(exchange: Exchange) -> None:
        number = exchange.request.connection
        answered[number] += 1
        await (respond(200)(exchange) if answered[number] == 1 else end(exchange))

    context = authority.server_context("hooks.example.com") if tls else None
    async with open_receiver(once_per_connection, tls=context, name="hooks.example.com") as receiver:
        for number in range(30):
            assert await post(transport, receiver.url, b"%d" % number) == (200, b"")
        assert [request.body for request in receiver.requests[:5]] == [b"0", b"1", b"1", b"2", b"2"]
        assert receiver.connections == 30


@pytest.mark.parametrize("body", [b"{}", b"x" * 4 * 1024 * 1024], ids=["small", "large"])
async def test_a_large_request_is_sent_whole_on_the_new_connection(transport: EndpointTransport, body: bytes) -> None:
    async with open_receiver(in_turn(respond(200), hang_up(), respond(200))) as receiver:
        await post(transport, receiver.url)
        receiver.reads_body = False
        receiver.answer = first_hangs_up_then_reads(len(body))
        assert (await post(transport, receiver.url, body))[0] == 200
        assert connections_of(receiver.requests) == [0, 0, 1]


def first_hangs_up_then_reads(size: int) -> Answer:
    async def answer(exchange: Exchange) -> None:
        if exchange.request.connection == 0:
            exchange.keep_open = False
            return
        left = size - len(exchange.request.body)
        while left:
            left -= len(await exchange.stream.receive_some())
        await exchange.send(response(200))

    return answer


async def test_the_repeated_request_is_the_same_to_the_byte(transport: EndpointTransport) -> None:
    async with open_receiver(in_turn(respond(200), hang_up(), respond(200))) as receiver:
        await post(transport, receiver.url)
        await post(transport, receiver.url, b'{"a":1}')
        _, lost, repeated = receiver.requests
        assert (lost.head, lost.body) == (repeated.head, repeated.body)


async def test_a_request_is_sent_at_most_twice(transport: EndpointTransport) -> None:
    async with open_receiver(in_turn(respond(200), hang_up(), hang_up(), respond(200))) as receiver:
        await post(transport, receiver.url)
        with pytest.raises(httpx.RemoteProtocolError, match="closed the connection without a complete response"):
            await post(transport, receiver.url)
        assert connections_of(receiver.requests) == [0, 0, 1]


async def test_a_new_connection_that_ends_without_an_answer_is_a_failure_and_nothing_is_sent_twice(
    transport: EndpointTransport,
) -> None:
    async with open_receiver(in_turn(hang_up(), respond(200))) as receiver:
        with pytest.raises(httpx.RemoteProtocolError, match="closed the connection without a complete response"):
            await post(transport, receiver.url)
        assert connections_of(receiver.requests) == [0]


@pytest.mark.parametrize("begun", [b"H", b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: y"])
async def test_an_answer_that_has_begun_is_never_asked_for_again(transport: EndpointTransport, begun: bytes) -> None:
    async with open_receiver(in_turn(respond(200), send(begun, then_close=True), respond(200))) as receiver:
        await post(transport, receiver.url)
        with pytest.raises(httpx.RemoteProtocolError, match="closed the connection without a complete response"):
            await post(transport, receiver.url)
        assert connections_of(receiver.requests) == [0, 0]


async def test_both_connections_of_an_attempt_share_its_deadline(
    transport: EndpointTransport, mock_clock: MockClock
) -> None:
    async def closes_after_6_s_then_hangs(exchange: Exchange) -> None:
        await trio.sleep(6 if exchange.request.connection == 0 else math.inf)
        exchange.keep_open = False

    async def times_out(url: str) -> None:
        with pytest.raises(DeadlinePassed):
            await post(transport, url)  # it has 10 s

    async with open_receiver(respond(200)) as receiver, trio.open_nursery() as nursery:
        await post(transport, receiver.url)
        receiver.answer = closes_after_6_s_then_hangs
        started = trio.current_time()
        nursery.start_soon(times_out, receiver.url)
        await receiver.received(2)
        await wait_all_tasks_blocked(0.005)
        mock_clock.jump(6)
        await receiver.received(3)
        await wait_all_tasks_blocked(0.005)
        mock_clock.jump(4)
    assert trio.current_time() - started == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(send(response(200) + response(200)), id="a second response"),
        pytest.param(send(response(200, b"ok") + b"garbage"), id="bytes after the body"),
        pytest.param(respond(200, headers=[("Connection", "close")]), id="Connection: close"),
        pytest.param(send(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), id="HTTP/1.0"),
        pytest.param(respond(200, b"x" * 100_000), id="a body that is not read to its end"),
        pytest.param(respond(200, headers=[("Keep-Alive", "timeout=1")]), id="Keep-Alive without time left"),
        pytest.param(send(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), id="an upgrade"),
    ],
)
async def test_a_connection_in_an_unclear_state_carries_no_other_request(
    transport: EndpointTransport, answer: Answer
) -> None:
    async with open_receiver(answer) as receiver:
        statuses = [(await post(transport, receiver.url))[0] for _ in range(2)]
        assert statuses in ([200, 200], [101, 101])
        assert connections_of(receiver.requests) == [0, 1]


async def test_bytes_that_arrive_while_idle_end_the_connection(transport: EndpointTransport) -> None:
    send_more = trio.Event()
    sent_more = trio.Event()

    async def answer(exchange: Exchange) -> None:
        await exchange.send(response(200))
        if exchange.request.connection == 0:
            await send_more.wait()
            await exchange.send(response(500))
            sent_more.set()

    async with open_receiver(answer) as receiver:
        await post(transport, receiver.url)
        send_more.set()
        await sent_more.wait()
        assert (await post(transport, receiver.url))[0] == 200
        assert connections_of(receiver.requests) == [0, 1]


async def test_an_idle_connection_carries_nothing_after_its_time(
    make_transport: MakeTransport, mock_clock: MockClock
) -> None:
    transport = make_transport(idle_s=30)
    async with open_receiver() as receiver:
        await post(transport, receiver.url)
        mock_clock.jump(29.9)
        await post(transport, receiver.url)
        mock_clock.jump(30)
        await post(transport, receiver.url)
        assert connections_of(receiver.requests) == [0, 0, 1]


async def test_a_closed_transport_opens_another_connection_for_a_later_request(transport: EndpointTransport) -> None:
    async with open_receiver() as receiver:
        await post(transport, receiver.url)
        transport.close()
        await receiver.disconnected()
        await post(transport, receiver.url)
        assert receiver.connections == 2


async def test_the_receivers_own_keep_alive_time_is_respected(
    transport: EndpointTransport, mock_clock: MockClock
) -> None:
    async with open_receiver(respond(200, headers=[("Keep-Alive", "timeout=5, max=100")])) as receiver:
        await post(transport, receiver.url)
        mock_clock.jump(3.9)
        await post(transport, receiver.url)
        mock_clock.jump(4.1)
        await post(transport, receiver.url)
        assert connections_of(receiver.requests) == [0, 0, 1]


async def test_another_origin_gets_a_connection_of_its_own_and_the_old_one_is_closed(
    transport: EndpointTransport,
) -> None:
    async with open_receiver() as old, open_receiver() as new:
        await post(transport, old.url)
        await post(transport, new.url)
        await old.disconnected()
        assert (old.connections, new.connections) == (1, 1)


async def test_closing_the_transport_closes_its_connection(transport: EndpointTransport) -> None:
    async with open_receiver() as receiver:
        await post(transport, receiver.url)
        transport.close()
        await receiver.disconnected()
