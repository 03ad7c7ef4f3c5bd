"""What the accept loop does about clients that do not read, do not send, or never stop sending, over real sockets."""

from contextlib import suppress
from typing import NoReturn

import orjson
import pytest
import trio

from api.server.connection import Patience
from tests.api.scripted_app import HELD, HELLO, LARGE, ScriptedApp, say_hello
from tests.support.api_server import exchange, read_to_end, serving

pytestmark = pytest.mark.usefixtures("way")

LONG_POST = b"POST /hello HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000000\r\n\r\n"


async def send_for_ever(stream: trio.SocketStream, head: bytes) -> NoReturn:
    await stream.send_all(head)
    while True:
        await stream.send_all(bytes(64 * 1024))
        await trio.sleep(0.001)  # it is not to take all of the machine's time


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


async def test_a_head_that_does_not_arrive_in_time_is_told_so() -> None:
    async with serving(ScriptedApp(), patience=Patience(idle_s=0.1)) as served, await served.connect() as stream:
        with trio.fail_after(5):
            await stream.send_all(b"GET /hello HTTP/1.1\r\n")
            head, _, body = (await read_to_end(stream)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert orjson.loads(body)["code"] == "request_timeout"


async def test_a_request_may_take_longer_than_an_idle_connection_may_last() -> None:
    app = ScriptedApp()
    async with serving(app, patience=Patience(idle_s=0.05)) as served, await served.connect() as stream:
        await stream.send_all(HELD)
        await app.arrived.wait()
        await trio.sleep(0.2)
        app.release.set()
        with trio.fail_after(5):
            assert (await read_to_end(stream)).endswith(b"hello")


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
    app = ScriptedApp()
    async with serving(app, max_connections=1) as served, await served.connect() as first:
        await first.send_all(HELD)
        await app.arrived.wait()  # an idle one would make room for the second
        async with await served.connect() as second:
            with trio.fail_after(5), pytest.raises(trio.BrokenResourceError):
                await send_for_ever(second, LONG_POST)
