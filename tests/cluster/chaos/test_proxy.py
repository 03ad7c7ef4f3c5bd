"""The proxy fails as a network does, and works again afterwards."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from tests.cluster.chaos.proxy import DEAF, LOSING, MUTE, PASSING, REFUSING, SILENT, Condition, Proxy, open_proxy

# How long nothing must arrive for it to be taken for held.
_HELD_S = 0.05


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Proxy, list[bytes]]]:
    """Run a proxy to a server that sends back what it gets; yield it with all that the server got."""
    got: list[bytes] = []

    async def echo(stream: trio.SocketStream) -> None:
        try:
            async for data in stream:
                got.append(bytes(data))
                await stream.send_all(data)
        except trio.BrokenResourceError:
            pass  # a reset

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, echo, [listener])
        async with open_proxy(listener.socket.getsockname()[:2]) as proxy:
            yield proxy, got
        nursery.cancel_scope.cancel()


async def connected(proxy: Proxy) -> trio.SocketStream:
    """Return a connection through the proxy that works."""
    stream = await trio.open_tcp_stream("127.0.0.1", proxy.port)
    await stream.send_all(b"hello")
    assert await stream.receive_some() == b"hello"
    return stream


async def is_held(receive: Callable[[], Awaitable[object]]) -> bool:
    with trio.move_on_after(_HELD_S) as waiting:
        await receive()
    return waiting.cancelled_caught


async def test_what_a_silent_proxy_holds_arrives_when_it_passes_again() -> None:
    async with echoing() as (proxy, got), await connected(proxy) as stream:
        proxy.apply(SILENT)
        await stream.send_all(b"one")
        assert await is_held(stream.receive_some)
        assert got == [b"hello"]
        proxy.apply(PASSING)
        assert await stream.receive_some() == b"one"


@pytest.mark.parametrize(("condition", "heard"), [(DEAF, [b"hello", b"one"]), (MUTE, [b"hello"])])
async def test_a_half_open_connection_holds_one_direction(condition: Condition, heard: list[bytes]) -> None:
    async with echoing() as (proxy, got), await connected(proxy) as stream:
        proxy.apply(condition)
        await stream.send_all(b"one")
        assert await is_held(stream.receive_some)
        assert got == heard
        proxy.apply(PASSING)
        assert await stream.receive_some() == b"one"


async def test_what_is_lost_ends_its_connection() -> None:
    async with echoing() as (proxy, got), await connected(proxy) as stream:
        proxy.apply(LOSING)
        await stream.send_all(b"one")
        assert await is_held(stream.receive_some)
        proxy.apply(PASSING)
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        assert got == [b"hello"]
        await (await connected(proxy)).aclose()


async def test_a_refusing_proxy_resets_open_connections_and_new_ones() -> None:
    async with echoing() as (proxy, _), await connected(proxy) as stream:
        proxy.apply(REFUSING)
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        async with await trio.open_tcp_stream("127.0.0.1", proxy.port) as another:
            with pytest.raises(trio.BrokenResourceError):
                await another.receive_some()
        proxy.apply(PASSING)
        await (await connected(proxy)).aclose()


async def test_one_connection_is_cut_and_the_others_are_not() -> None:
    async with echoing() as (proxy, _), await connected(proxy) as first, await connected(proxy) as second:
        proxy.apply(SILENT, to=[proxy.connections[0]])
        for stream in (first, second):
            await stream.send_all(b"one")
        assert await second.receive_some() == b"one"
        assert await is_held(first.receive_some)
        proxy.connections[0].reset()
        with pytest.raises(trio.BrokenResourceError):
            await first.receive_some()


async def test_a_lost_connection_stays_open_and_silent_whatever_follows() -> None:
    async with echoing() as (proxy, got), await connected(proxy) as stream:
        proxy.connections[0].lose()
        proxy.apply(PASSING)
        await stream.send_all(b"one")
        assert await is_held(stream.receive_some)
        assert got == [b"hello"]
        await (await connected(proxy)).aclose()


async def test_a_slow_proxy_takes_its_time() -> None:
    async with echoing() as (proxy, _), await connected(proxy) as stream:
        proxy.apply(Condition(latency_s=0.02, bytes_per_s=10_000))
        begin = trio.current_time()
        await stream.send_all(bytes(100))
        await stream.receive_some()
        assert trio.current_time() - begin >= 2 * (0.02 + 0.01)


async def test_a_redirected_proxy_leads_elsewhere_and_ends_what_was() -> None:
    async with echoing() as (proxy, got), echoing() as (other, elsewhere), await connected(proxy) as stream:
        proxy.redirect(other.upstream)
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        await (await connected(proxy)).aclose()
        assert (got, elsewhere) == ([b"hello"], [b"hello"])
