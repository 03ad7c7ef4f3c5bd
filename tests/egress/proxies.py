"""Proxies for the tests of the way out: scripted ones, and real programs (tinyproxy, microsocks)."""

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trio

from daemon.egress.proxy import Proxy, ProxyScheme
from tests.support.programs import program

Conduct = Callable[["Visit"], Awaitable[None]]
HOST = "127.0.0.1"
USER, PASSWORD = "kakiyo", "s3cret-login"


@dataclass(slots=True)
class Visit:
    """A connection to a scripted proxy, and all that it has received."""

    stream: trio.SocketStream
    received: bytearray

    async def until(self, end: bytes) -> bytes:
        """Receive until these bytes have come; return all so far."""
        while end not in self.received:
            await self.some()
        return bytes(self.received)

    async def exactly(self, count: int) -> bytes:
        """Receive and take off so many bytes."""
        while len(self.received) < count:
            await self.some()
        taken = bytes(self.received[:count])
        del self.received[:count]
        return taken

    async def some(self) -> None:
        data = await self.stream.receive_some()
        if not data:
            raise trio.BrokenResourceError
        self.received += data

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)


@dataclass(slots=True)
class ScriptedProxy:
    """A running scripted proxy; its visits so far."""

    port: int
    visits: list[Visit] = field(default_factory=list)

    def proxy(self, scheme: ProxyScheme = "http", **changed: object) -> Proxy:
        return Proxy(scheme, HOST, self.port, **changed)  # type: ignore[arg-type]  # by name


@asynccontextmanager
async def open_scripted_proxy(conduct: Conduct, port: int = 0) -> AsyncIterator[ScriptedProxy]:
    """Run a proxy that does this with each connection, and then closes it."""
    (listener,) = await trio.open_tcp_listeners(port, host=HOST)
    made = ScriptedProxy(listener.socket.getsockname()[1])

    async def serve(stream: trio.SocketStream) -> None:
        visit = Visit(stream, bytearray())
        made.visits.append(visit)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # the daemon has hung up
            await conduct(visit)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield made
        nursery.cancel_scope.cancel()


async def relay_connect(visit: Visit) -> None:
    """Open a tunnel as a CONNECT proxy does."""
    head = await visit.until(b"\r\n\r\n")
    host, _, port = head.split(b" ", 2)[1].decode().rpartition(":")
    try:
        other = await trio.open_tcp_stream(host.strip("[]"), int(port))
    except OSError:
        await visit.send(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        return
    await visit.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await splice(visit.stream, other)


async def splice(one: trio.SocketStream, other: trio.SocketStream) -> None:
    """Pass on what either sends, until one of them closes."""
    async with one, other, trio.open_nursery() as nursery:

        async def pass_on(source: trio.SocketStream, to: trio.SocketStream) -> None:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async for data in source:
                    await to.send_all(data)
            nursery.cancel_scope.cancel()

        nursery.start_soon(pass_on, one, other)
        await pass_on(other, one)


@asynccontextmanager
async def open_real_proxy(
    scheme: ProxyScheme, directory: Path, *, login: bool = True, port: int | None = None
) -> AsyncIterator[Proxy]:
    """Run tinyproxy or microsocks on loopback; yield it with its login. Skips the test where the program is missing."""
    port = port or await free_port()
    command = _tinyproxy(port, directory, login) if scheme == "http" else _microsocks(port, login)
    process = await trio.lowlevel.open_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await _listens(port)
        yield Proxy(scheme, HOST, port, USER, PASSWORD) if login else Proxy(scheme, HOST, port)
    finally:
        process.kill()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
            await process.wait()


def _tinyproxy(port: int, directory: Path, login: bool) -> list[str]:
    lines = [f"Port {port}", f"Listen {HOST}", "Timeout 60", "MaxClients 20", f"Allow {HOST}", "DisableViaHeader Yes"]
    if login:
        lines.append(f"BasicAuth {USER} {PASSWORD}")
    configuration = directory / "tinyproxy.conf"
    configuration.write_text("\n".join((*lines, "")))
    return [program("tinyproxy"), "-d", "-c", str(configuration)]


def _microsocks(port: int, login: bool) -> list[str]:
    return [program("microsocks"), "-i", HOST, "-p", str(port), *(["-u", USER, "-P", PASSWORD] if login else [])]


async def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    async with listener:
        port: int = listener.socket.getsockname()[1]
    return port


async def _listens(port: int) -> None:
    with trio.fail_after(30):
        while True:
            try:
                async with await trio.open_tcp_stream(HOST, port):
                    return
            except OSError:
                await trio.sleep(0.01)
