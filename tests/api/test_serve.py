"""The accept loop's promises, over real sockets."""

from contextlib import suppress

import orjson
import pytest
import trio

from tests.api.scripted_app import HELD, HELLO, ScriptedApp, say_hello
from tests.support.api_server import Served, exchange, read_to_end, serving

UPGRADE = (
    b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


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


async def test_connections_that_stay_idle_are_closed_by_a_stop() -> None:
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


async def test_a_request_that_is_on_its_way_when_the_server_stops_is_answered_and_the_connection_closed() -> None:
    async with (
        serving(ScriptedApp(), grace_s=60) as served,
        await served.connect() as used,
        await served.connect() as new,
    ):
        await exchange(used, HELLO)
        served.stop.set()
        await trio.testing.wait_all_tasks_blocked()
        for stream in (used, new):
            await stream.send_all(HELLO)
            answer = await read_to_end(stream)
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in answer
        await served.stopped.wait()


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


async def test_connections_over_the_limit_are_told_to_come_back() -> None:
    app = ScriptedApp()
    async with serving(app, max_connections=1) as served, await served.connect() as first:
        await first.send_all(HELD)
        await app.arrived.wait()
        async with await served.connect() as second:
            await second.send_all(HELLO)
            await second.send_eof()
            head, _, body = (await read_to_end(second)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in head
        assert orjson.loads(body)["code"] == "overloaded"
        app.release.set()
        assert (await read_some(first)).startswith(b"HTTP/1.1 200 ")
        assert await say_hello(served) == (200, b"hello")


async def read_some(stream: trio.abc.ReceiveStream) -> bytes:
    return bytes(await stream.receive_some())


async def test_how_many_connections_are_open_is_told() -> None:
    async with serving(ScriptedApp(), max_connections=1) as served:
        assert open_connections(served) == 0
        async with await served.connect() as stream:
            await exchange(stream, HELLO)
            assert open_connections(served) == 1
        with trio.fail_after(5):
            while open_connections(served):
                await trio.lowlevel.checkpoint()


def open_connections(served: Served) -> float:
    [gauge] = served.open_connections.collect()
    return gauge.samples[0].value


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
