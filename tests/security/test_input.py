"""Whatever bytes come to the API's socket: a clear answer or a closed connection, and a daemon that goes on."""

import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from api.http.security_headers import SAFETY_HEADERS
from tests.security.input_requests import BODY, CHUNKED, HOST, HOSTILE, POST, VERIFY, Hostile
from tests.security.listening import listening
from tests.support.api_client import running_api
from tests.support.api_server import Served, exchange, read_to_end
from tests.support.daemon import OPERATOR_KEY

pytestmark = pytest.mark.usefixtures("way")

_ANSWER = re.compile(rb"HTTP/1\.1 (?P<status>\d{3}) [^\r\n]*\r\n(?P<head>(?:[^\r\n]+\r\n)*)\r\n")


async def answers_to(served: Served, sent: bytes, answers: int = 1) -> bytes:
    """Send, and return all that is answered until the connection is closed. Fails if it is not.

    The server closes it where its answer says so. Where it does not, we end it once so many answers are there, and the
    server closes it for that: how long it may be idle is for no clock of a busy machine.
    """
    received = b""
    with trio.fail_after(30):
        async with await served.connect() as stream:
            with suppress(trio.BrokenResourceError):
                await stream.send_all(sent)
            with suppress(trio.BrokenResourceError):
                while data := await stream.receive_some():
                    received += data
                    if stays_open_after(received, answers):
                        await stream.send_eof()
    return received


def stays_open_after(received: bytes, answers: int) -> bool:
    """Whether so many answers are there, all of the last one too, and it does not say that it is the last."""
    heads = list(_ANSWER.finditer(received))
    if len(heads) != answers:
        return False
    head = heads[-1]["head"].lower()
    length = re.search(rb"content-length: (\d+)\r\n", head)
    is_whole = length is not None and len(received) - heads[-1].end() == int(length[1])
    return is_whole and b"connection: close\r\n" not in head


@pytest.mark.fault(
    "Requests that no honest client sends: wrong, double and endless lengths, smuggling shapes, torn heads, NUL bytes, "
    "10,000 headers, other protocols, malformed targets and paths",
    "A clear 4xx problem document, the connection closed, the daemon as before",
    cases=sum(map(len, HOSTILE.values())),
)
@pytest.mark.parametrize("requests", HOSTILE.values(), ids=list(HOSTILE))
async def test_a_hostile_request_gets_a_clear_answer_and_harms_nothing(
    tmp_path: Path, requests: tuple[Hostile, ...]
) -> None:
    statuses: dict[str, tuple[int, ...]] = {}
    # All of them may have connected before the first has shown a key: a quarter of the places is for such.
    async with listening(tmp_path, max_connections=4 * len(requests)) as here:

        async def send(hostile: Hostile) -> None:
            answers = list(_ANSWER.finditer(await answers_to(here.served, hostile.sent, len(hostile.statuses))))
            statuses[hostile.name] = tuple(int(answer["status"]) for answer in answers)
            for answer in answers:
                check_head(int(answer["status"]), answer["head"].lower())

        async with trio.open_nursery() as nursery:
            for hostile in requests:
                nursery.start_soon(send, hostile)
        assert statuses == {hostile.name: hostile.statuses for hostile in requests}
        assert await here.is_healthy()
        assert here.faults() == []


def check_head(status: int, head: bytes) -> None:
    assert b"\r\nserver:" not in head
    for name, value in SAFETY_HEADERS.items():
        assert f"{name}: {value}\r\n".lower().encode() in head
    assert status < 400 or b"content-type: application/problem+json\r\n" in head


def test_no_two_hostile_requests_have_one_name() -> None:
    for requests in HOSTILE.values():
        assert len({hostile.name for hostile in requests}) == len(requests)


@pytest.mark.fault(
    "A client sends a body slower than it may, or less of it than it said", "408, and it is closed", cases=5
)
@pytest.mark.parametrize(
    "sent",
    [
        POST + b"content-length: 12\r\n\r\n",
        POST + b"content-length: 12\r\n\r\n" + BODY[:-1],
        POST + b"expect: 100-continue\r\ncontent-length: 12\r\n\r\n",
        CHUNKED + b"c\r\n" + BODY,
        CHUNKED + b"ffffffffffffffff\r\n" + BODY,
    ],
    ids=["nothing", "a byte less", "expect", "no last chunk", "huge chunk"],
)
async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path, sent: bytes) -> None:
    async with listening(tmp_path, body_timeout_s=0.1) as here:
        received = await answers_to(here.served, sent)
        assert b"HTTP/1.1 408 " in received
        assert b'"request_timeout"' in received
        assert await here.is_healthy()


@pytest.mark.fault(
    "A client drips its body, a byte at a time", "408 when its time is over: dripping does not extend it"
)
async def test_a_body_that_drips_in_has_no_more_time_than_another(tmp_path: Path) -> None:
    async with listening(tmp_path, body_timeout_s=0.3) as here:
        with trio.fail_after(5):
            async with await here.served.connect() as stream, trio.open_nursery() as nursery:
                await stream.send_all(POST + b"content-length: 60000\r\n\r\n")
                nursery.start_soon(_drip, stream)
                received = await read_to_end(stream)
                nursery.cancel_scope.cancel()
        assert received.startswith(b"HTTP/1.1 408 ")


async def test_the_api_as_the_daemon_makes_it_gives_a_body_fifteen_seconds(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running_api(tmp_path) as api:
        started = trio.current_time()
        headers = {"Authorization": f"Bearer {OPERATOR_KEY}", "Content-Type": "application/json"}
        dripping = api.operator.app.test_client().request("/v1/teams", method="POST", headers=headers)
        async with trio.open_nursery() as nursery, dripping as request:
            nursery.start_soon(_drip_by, request.send)
            answer = await request.as_response()
            nursery.cancel_scope.cancel()
        assert answer.status_code == 408
        assert trio.current_time() - started == pytest.approx(15, abs=0.01)


@pytest.mark.fault(
    "Clients without a key take every connection there is: idle ones, and heads that drip in (slow loris)",
    "A client with a key is served at once, on connections that it has and on new ones: the longest idle make room",
)
async def test_strangers_keep_no_client_with_a_key_out(tmp_path: Path) -> None:
    async with (
        listening(tmp_path, max_connections=40) as here,
        AsyncExitStack() as clients,
        trio.open_nursery() as nursery,
    ):
        kept = await clients.enter_async_context(await here.served.connect())
        assert (await exchange(kept, VERIFY + b"\r\n"))[0] == 200
        for number in range(60):
            stream = await clients.enter_async_context(await here.served.connect())
            if number % 2:
                await stream.send_all(b"GET /v1/verify HTTP/1.1\r\n")
                nursery.start_soon(_drip, stream)
        with trio.fail_after(10):
            for _ in range(20):
                new = await clients.enter_async_context(await here.served.connect())
                assert (await exchange(new, VERIFY + b"\r\n"))[0] == 200
            assert (await exchange(kept, VERIFY + b"\r\n"))[0] == 200
        [gauge] = here.served.open_connections.collect()
        assert gauge.samples[0].value <= 40
        nursery.cancel_scope.cancel()


@pytest.mark.fault(
    "A client with a key keeps more connections open than there are", "Those that are idle for longest make room"
)
async def test_a_key_cannot_keep_all_connections(tmp_path: Path) -> None:
    async with listening(tmp_path, max_connections=8) as here, AsyncExitStack() as clients:
        with trio.fail_after(10):
            for _ in range(20):
                stream = await clients.enter_async_context(await here.served.connect())
                assert (await exchange(stream, VERIFY + b"\r\n"))[0] == 200
            assert await here.is_healthy()
        [gauge] = here.served.open_connections.collect()
        assert gauge.samples[0].value <= 8


@pytest.mark.fault(
    "A flood of connections beyond the limit, which never read or send, while all are busy",
    "A hundred at once are told to come back, the others closed: no descriptor is held for them",
)
async def test_a_flood_of_connections_beyond_the_limit_is_closed(tmp_path: Path) -> None:
    async with (
        listening(tmp_path, max_connections=1) as here,
        await here.served.connect() as first,
    ):
        await first.send_all(POST + b"content-length: 12\r\n\r\n" + BODY[:-1])
        await trio.testing.wait_all_tasks_blocked(0.05)
        flood = [await here.served.connect() for _ in range(150)]
        with trio.fail_after(5):
            answers = [await _answer_or_nothing(stream) for stream in flood]
        assert sum(answer.startswith(b"HTTP/1.1 503 ") for answer in answers) == 100
        assert answers.count(b"") == 50
        assert (await exchange(first, BODY[-1:]))[0] == 201


@pytest.mark.fault("A client sends many requests without waiting for answers", "They are answered one after the other")
async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    async with listening(tmp_path) as here:
        unknown = b"GET /v1/webhooks/%d HTTP/1.1\r\n" + HOST + b"\r\n"
        received = await answers_to(here.served, (VERIFY + b"\r\n" + unknown % 1) * 25, answers=50)
        assert [int(answer["status"]) for answer in _ANSWER.finditer(received)] == [200, 401] * 25


async def test_who_expects_100_continue_is_told_to_go_on(tmp_path: Path) -> None:
    async with listening(tmp_path) as here, await here.served.connect() as stream:
        await stream.send_all(POST + b"expect: 100-continue\r\ncontent-length: 12\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 100 ")
        assert (await exchange(stream, BODY))[0] == 201


async def _drip(stream: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while True:
            await stream.send_all(b"a")
            await trio.sleep(0.02)


async def _drip_by(send: Callable[[bytes], Awaitable[None]]) -> None:
    while True:
        await send(b" ")
        await trio.sleep(0.1)


async def _answer_or_nothing(stream: trio.SocketStream) -> bytes:
    async with stream:
        try:
            return bytes(await stream.receive_some())
        except trio.BrokenResourceError:
            return b""
