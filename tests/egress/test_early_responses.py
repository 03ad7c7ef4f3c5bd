import httpx
import pytest
import trio

from daemon.egress.transport import EndpointTransport
from tests.egress.posting import post
from tests.support.receivers import Exchange, hang, hang_up, open_receiver, respond, response, send

LARGE = b"x" * (4 * 1024 * 1024)  # more than the socket's buffers hold


@pytest.mark.parametrize("body", [b"x" * 256 * 1024, LARGE])
async def test_a_refusal_of_a_large_body_that_is_not_read_is_reported_when_the_receiver_closes(
    transport: EndpointTransport, body: bytes
) -> None:
    async with open_receiver(send(response(413), then_close=True)) as receiver:
        receiver.reads_body = False
        assert (await post(transport, receiver.url, body))[0] == 413


async def test_a_refusal_is_reported_though_the_receiver_never_reads_nor_closes(transport: EndpointTransport) -> None:
    async with open_receiver(hang(after=response(413))) as receiver:
        receiver.reads_body = False
        assert (await post(transport, receiver.url, LARGE))[0] == 413


async def test_a_success_before_the_end_of_the_body_still_gets_the_whole_body(transport: EndpointTransport) -> None:
    received = bytearray()

    async def answer(exchange: Exchange) -> None:
        received.extend(exchange.request.body)
        await exchange.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        while len(received) < len(LARGE):
            received.extend(await exchange.stream.receive_some())
        await exchange.send(b"ok")

    async with open_receiver(answer) as receiver:
        receiver.reads_body = False
        assert await post(transport, receiver.url, LARGE) == (200, b"ok")
        assert bytes(received) == LARGE


async def test_a_connection_whose_request_was_not_sent_to_its_end_is_not_used_again(
    transport: EndpointTransport,
) -> None:
    async with open_receiver(respond(413)) as receiver:
        receiver.reads_body = False
        await post(transport, receiver.url, LARGE)
        receiver.reads_body = True
        await post(transport, receiver.url)
        assert [request.connection for request in receiver.requests][-1] == 1


async def test_a_receiver_that_closes_while_the_body_is_sent_is_a_write_error(transport: EndpointTransport) -> None:
    async with open_receiver(hang_up()) as receiver:
        receiver.reads_body = False
        with pytest.raises(httpx.WriteError, match="while the request was being sent"):
            await post(transport, receiver.url, LARGE)


async def test_a_slow_reader_gets_a_large_body_whole(transport: EndpointTransport) -> None:
    async def answer(exchange: Exchange) -> None:
        left = len(LARGE) - len(exchange.request.body)
        while left:
            left -= len(await exchange.stream.receive_some(4096))
            await trio.lowlevel.checkpoint()
        await exchange.send(response(200, b"all"))

    async with open_receiver(answer) as receiver:
        receiver.reads_body = False
        assert await post(transport, receiver.url, LARGE) == (200, b"all")
