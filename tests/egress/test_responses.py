import gzip
import tracemalloc

import httpx
import pytest

from daemon.egress.transport import EndpointTransport
from tests.egress.posting import post
from tests.support.receivers import Answer, endless, open_receiver, respond, response, send

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        pytest.param(respond(200, b"hello"), 200, b"hello", id="a length"),
        pytest.param(send(OK + b"\r\nuntil the end", then_close=True), 200, b"until the end", id="until the close"),
        pytest.param(send(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"), 200, b"hello", id="chunks"),
        pytest.param(send(*(bytes([byte]) for byte in response(201, b"hi"))), 201, b"hi", id="byte by byte"),
        pytest.param(send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3 + response(200)), 200, b"", id="interim"),
        pytest.param(send(b"HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n"), 299, b"", id="no reason phrase"),
        pytest.param(respond(999), 999, b"", id="an unknown status"),
        pytest.param(
            respond(200, b"ok", [("Connection", "Upgrade"), ("Upgrade", "h2,h2c")]), 200, b"ok", id="an offer of HTTP/2"
        ),
        pytest.param(
            respond(200, headers=[("Content-Type", "text/plain; charset=gr\xfc\xdf")]), 200, b"", id="latin-1"
        ),
    ],
)
async def test_every_framing_of_http_1_is_understood(
    transport: EndpointTransport, answer: Answer, status: int, body: bytes
) -> None:
    async with open_receiver(answer) as receiver:
        assert await post(transport, receiver.url) == (status, body)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(send(b"SSH-2.0-OpenSSH_9.2\r\n"), id="another protocol"),
        pytest.param(send(b"HTTP/2.0 200 OK\r\n\r\n"), id="another version"),
        pytest.param(send(b"HTTP/1.1 20 OK\r\n\r\n"), id="two digits"),
        pytest.param(send(b"HTTP/1.1 099 OK\r\n\r\n"), id="a status below 100"),
        pytest.param(send(OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"), id="two lengths"),
        pytest.param(send(OK + b"Content-Length: -1\r\n\r\n"), id="a negative length"),
        pytest.param(send(OK + b"No colon here\r\n\r\n"), id="a field without a colon"),
        pytest.param(send(CHUNKED + b"xyz\r\nabc"), id="a chunk size that is no number"),
        pytest.param(send(CHUNKED + b"f" * 17 + b"\r\nabc"), id="a chunk size beyond all bounds"),
        pytest.param(send(then_close=True), id="nothing"),
        pytest.param(send(b"HTTP/1.1 200 O", then_close=True), id="half a head"),
        pytest.param(send(OK + b"Content-Length: 3\r\n\r\nab", then_close=True), id="half a body"),
        pytest.param(send(CHUNKED + b"3\r\nabc\r\n", then_close=True), id="no last chunk"),
        pytest.param(send(b"HTTP/1.1 100 Continue\r\n\r\n", then_close=True), id="only an interim response"),
    ],
)
async def test_a_malformed_or_cut_response_is_a_protocol_error(transport: EndpointTransport, answer: Answer) -> None:
    async with open_receiver(answer) as receiver:
        with pytest.raises(httpx.RemoteProtocolError, match=r"^the receiver"):
            await post(transport, receiver.url)
        await receiver.disconnected()


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        pytest.param(endless(OK, b"X: " + b"y" * 1000 + b"\r\n"), "1 MiB", id="fields"),
        pytest.param(endless(OK + b"X: ", b"y" * 4096), "1 MiB", id="one field"),
        pytest.param(endless(b"HTTP/1.1 200 ", b"y" * 4096), "1 MiB", id="the reason phrase"),
        pytest.param(endless(OK, b"A: b\r\n" * 512), "1 MiB", id="many small fields"),
        pytest.param(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "1,000 interim responses", id="interim responses"),
        pytest.param(endless(b"", b"\r\n" * 2048), "1 MiB", id="empty lines"),
        pytest.param(endless(CHUNKED + b"0\r\nX: ", b"y" * 4096), "1 MiB", id="a trailer"),
        pytest.param(endless(CHUNKED + b"1;x=", b"y" * 4096), "1 MiB", id="a chunk extension"),
    ],
)
async def test_a_head_or_trailer_without_end_is_cut_off(
    transport: EndpointTransport, answer: Answer, what: str
) -> None:
    async with open_receiver(answer) as receiver:
        with pytest.raises(httpx.RemoteProtocolError, match=what):
            await post(transport, receiver.url)
        await receiver.disconnected()


@pytest.mark.parametrize("start", [OK + b"\r\n", OK + b"Content-Length: 1000000000000\r\n\r\n"])
async def test_a_body_without_end_is_left_when_the_kept_part_is_full_and_takes_no_memory(
    transport: EndpointTransport, start: bytes
) -> None:
    async with open_receiver(endless(start, b"x" * 65536)) as receiver:
        tracemalloc.start()
        try:
            assert await post(transport, receiver.url) == (200, b"x" * 4096)
            assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
        finally:
            tracemalloc.stop()
        await receiver.disconnected()


async def test_a_compressed_body_is_given_as_it_came(transport: EndpointTransport) -> None:
    bomb = gzip.compress(bytes(1024 * 1024))
    async with open_receiver(respond(200, bomb, [("Content-Encoding", "gzip")])) as receiver:
        assert await post(transport, receiver.url) == (200, bomb)
