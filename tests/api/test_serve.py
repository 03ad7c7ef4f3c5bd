"""The accept loop's promises, over real sockets."""

from contextlib import suppress
from typing import Any, NoReturn

import orjson
import pytest
import trio

from api.connection import Patience
from tests.support.api_server import Served, exchange, read_to_end, serving

HELLO = b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n"
HELD = b"GET /held HTTP/1.1\r\nhost: x\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n"
LONG_POST = b"POST /hello HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000000\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class ScriptedApp:
    """/hello answers at once, /large more than any socket buffer holds, /held when `release` is set, /broken raises."""

    def __init__(self) -> None:
        self.arrived = trio.Event()
        self.release = trio.Event()
        self.cancelled = trio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, receive, nursery)
            await self._answer(scope["path"], send)
            nursery.cancel_scope.cancel()

    async def _watch(self, receive: Any, nursery: trio.Nursery) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        nursery.cancel_scope.cancel()

    async def _answer(self, path: str, send: Any) -> None:
        if path == "/broken":
            raise RuntimeError("a bug")
        if path == "/held":
            await self._hold()
        body = bytes(64 * 1024 * 1024) if path == "/large" else b"hello"
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        self.arrived.set()
        await send({"type": "http.response.body", "body": body})

    async def _hold(self) -> None:
        self.arrived.set()
        try:
            await self.release.wait()
        except trio.Cancelled:
            self.cancelled.set()
            raise


async def say_hello(served: Served) -> tuple[int, bytes]:
    async with await served.connect() as stream:
        return await exchange(stream, HELLO)


async def send_for_ever(stream: trio.SocketStream, head: bytes) -> NoReturn:
    await stream.send_all(head)
    while True:
        await stream.send_all(bytes(64 * 1024))


@pytest.mark.parametrize(
    "sent",
    [
        UPGRADE,
        UPGRADE + b"x",
        UPGRADE.replace(b"websocket", b"h2c"),
        HELLO.replace(
            b"\r\n\r\n", b"\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n\r\n"
        ),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100),
        b"GET /hello HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01" + bytes(200),
        HELLO + bytes(100),
        b"POST /hello HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /hello HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 10_000,
    ],
    ids=["websocket", "websocket+1", "h2c+websocket", "h2c", "h2", "version", "tls", "trailing", "chunks", "head"],
)
async def test_nothing_that_a_client_sends_ends_the_process_or_holds_up_its_stop(sent: bytes) -> None:
    async with serving(ScriptedApp(), grace_s=60) as served:
        stream = await served.connect()
        with suppress(trio.BrokenResourceError):
            await stream.send_all(sent)
        await trio.testing.wait_all_tasks_blocked()
        assert await say_hello(served) == (200, b"hello")
        served.stop.set()
        with trio.fail_after(5):
            await served.stopped.wait()
        await stream.aclose()


async def test_a_client_that_stops_reading_does_not_hang_the_stop() -> None:
    app = ScriptedApp()
    async with serving(app, grace_s=0.2) as served, await served.connect() as stream:
        await stream.send_all(LARGE)
        await app.arrived.wait()
        served.stop.set()
        with trio.fail_after(5):
            await served.stopped.wait()


async def test_a_client_that_stops_reading_does_not_hang_a_cancelled_loop() -> None:
    app = ScriptedApp()
    with trio.fail_after(5):
        async with serving(app) as served:
            stream = await served.connect()
            await stream.send_all(LARGE)
            await app.arrived.wait()
        await stream.aclose()


async def test_a_client_that_stops_reading_is_disconnected() -> None:
    app = ScriptedApp()
    async with (
        serving(app, max_connections=1, patience=Patience(send_s=0.1)) as served,
        await served.connect() as stream,
    ):
        await stream.send_all(LARGE)
        await app.arrived.wait()
        with trio.fail_after(5):
            while (await say_hello(served))[0] != 200:
                await trio.lowlevel.checkpoint()


async def test_idle_connections_are_closed_at_once_by_a_stop() -> None:
    async with (
        serving(ScriptedApp(), grace_s=60) as served,
        await served.connect() as used,
        await served.connect() as new,
    ):
        await exchange(used, HELLO)
        served.stop.set()
        with trio.fail_after(5):
            await served.stopped.wait()
            assert await read_to_end(used) == await read_to_end(new) == b""


async def test_a_request_in_flight_is_answered_during_the_grace_period() -> None:
    app = ScriptedApp()
    async with serving(app, grace_s=60) as served, await served.connect() as stream:
        await stream.send_all(HELD)
        await app.arrived.wait()
        served.stop.set()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OSError, match="connect"):
            await served.connect()
        app.release.set()
        with trio.fail_after(5):
            assert (await read_to_end(stream)).endswith(b"hello")
            await served.stopped.wait()


async def test_a_request_longer_than_the_grace_period_is_cut_off() -> None:
    app = ScriptedApp()
    async with serving(app, grace_s=0.1) as served, await served.connect() as stream:
        await stream.send_all(HELD)
        await app.arrived.wait()
        served.stop.set()
        with trio.fail_after(5):
            await served.stopped.wait()
        assert app.cancelled.is_set()


async def test_an_idle_connection_is_closed_after_its_time_even_if_it_was_used_before() -> None:
    async with (
        serving(ScriptedApp(), patience=Patience(idle_s=0.1)) as served,
        await served.connect() as new,
        await served.connect() as used,
    ):
        await exchange(used, HELLO)
        with trio.fail_after(5):
            assert await read_to_end(new) == await read_to_end(used) == b""


async def test_a_head_that_drips_in_does_not_keep_its_connection() -> None:
    async with serving(ScriptedApp(), patience=Patience(idle_s=0.2)) as served, await served.connect() as stream:
        with trio.fail_after(5), suppress(trio.BrokenResourceError):
            await stream.send_all(b"GET /hello HTTP/1.1\r\n")
            for _ in range(1_000):
                await stream.send_all(b"a: b\r\n")
                await trio.sleep(0.02)
            pytest.fail("the connection was kept")


async def test_a_request_may_take_longer_than_an_idle_connection_may_last() -> None:
    app = ScriptedApp()
    async with serving(app, patience=Patience(idle_s=0.05)) as served, await served.connect() as stream:
        await stream.send_all(HELD)
        await app.arrived.wait()
        await trio.sleep(0.2)
        app.release.set()
        with trio.fail_after(5):
            assert (await read_to_end(stream)).endswith(b"hello")


async def test_connections_over_the_limit_are_told_to_come_back() -> None:
    async with serving(ScriptedApp(), max_connections=1) as served:
        async with await served.connect() as first:
            assert await exchange(first, HELLO) == (200, b"hello")
            async with await served.connect() as second:
                await second.send_all(HELLO)
                await second.send_eof()
                head, _, body = (await read_to_end(second)).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 1" in head
            assert orjson.loads(body)["code"] == "overloaded"
            assert await exchange(first, HELLO) == (200, b"hello")
        with trio.fail_after(5):
            while (await say_hello(served))[0] != 200:
                await trio.lowlevel.checkpoint()


async def test_a_bug_in_a_request_is_answered_and_logged_and_stays_there() -> None:
    async with serving(ScriptedApp()) as served:
        async with await served.connect() as stream:
            assert (await exchange(stream, b"GET /broken HTTP/1.1\r\nhost: x\r\n\r\n"))[0] == 500
        assert await say_hello(served) == (200, b"hello")
        [line] = served.log_lines()
        assert line["event"] == "api_error"
        assert "a bug" in line["traceback"]


async def test_a_client_that_goes_away_cancels_its_request() -> None:
    app = ScriptedApp()
    async with serving(app) as served:
        async with await served.connect() as stream:
            await stream.send_all(HELD)
            await app.arrived.wait()
        with trio.fail_after(5):
            await app.cancelled.wait()


async def test_pipelined_requests_are_answered_one_after_the_other() -> None:
    async with serving(ScriptedApp()) as served, await served.connect() as stream:
        with trio.fail_after(5):
            await stream.send_all(HELLO * 3 + b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert (await read_to_end(stream)).count(b"hello") == 4


async def test_an_answer_can_be_read_though_the_client_is_still_sending_what_nobody_reads() -> None:
    body = bytes(4 * 1024 * 1024)
    head = f"POST /hello HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    async with serving(ScriptedApp()) as served, await served.connect() as stream:
        with trio.fail_after(5):
            await stream.send_all(head + body)
            assert (await read_to_end(stream)).endswith(b"hello")


async def test_the_answer_to_a_malformed_request_can_be_read_by_a_client_that_first_sends_all_it_has() -> None:
    async with serving(ScriptedApp(), patience=Patience(linger_s=60)) as served, await served.connect() as stream:
        with trio.fail_after(5):
            await stream.send_all(b"GET /hello HTTP/9.9\r\n\r\n")
            await trio.lowlevel.wait_readable(stream.socket)  # it has answered: what is sent now, nobody asked for
            await stream.send_all(bytes(16 * 1024 * 1024))  # more than the sockets hold: it goes through if it is read
            await stream.send_eof()
            head, _, body = (await read_to_end(stream)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert orjson.loads(body)["code"] == "invalid_request"


@pytest.mark.parametrize("request_head", [b"GET /hello HTTP/9.9\r\n\r\n", LONG_POST], ids=["malformed", "not read"])
async def test_a_client_that_never_stops_sending_is_cut_off_after_its_answer(request_head: bytes) -> None:
    async with serving(ScriptedApp(), patience=Patience(linger_s=0.1)) as served, await served.connect() as stream:
        with trio.fail_after(5), pytest.raises(trio.BrokenResourceError):
            await send_for_ever(stream, request_head)


async def test_a_stop_waits_for_no_client_that_is_still_sending_what_nobody_reads() -> None:
    app = ScriptedApp()
    async with (
        serving(app, grace_s=60, patience=Patience(linger_s=60)) as served,
        await served.connect() as stream,
    ):
        await stream.send_all(LONG_POST.replace(b"/hello", b"/held"))
        await app.arrived.wait()
        served.stop.set()
        app.release.set()
        with trio.fail_after(5):
            await served.stopped.wait()


async def test_a_client_over_the_limit_that_never_stops_sending_is_cut_off() -> None:
    async with (
        serving(ScriptedApp(), max_connections=1) as served,
        await served.connect() as first,
        await served.connect() as second,
    ):
        await exchange(first, HELLO)
        with trio.fail_after(5), pytest.raises(trio.BrokenResourceError):
            await send_for_ever(second, LONG_POST)
