"""A TCP proxy between a node and its database, which fails in each way that a network can.

async with open_proxy(server.address) as proxy:
    proxy.apply(SILENT)     # all connections, and those to come; or apply(SILENT, to=[proxy.connections[0]])
    proxy.apply(PASSING)    # what was held goes on, as TCP sends again what a network lost
    proxy.reset()           # every connection ends, as after the restart of a router
"""

import math
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import trio

_PIECE = 65536
# How PostgreSQL says that no transaction is under way.
_READY = b"Z\x00\x00\x00\x05I"
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Condition:
    """How bytes pass: a direction may hold them, or that to the server only what begins a transaction; each piece takes
    `latency_s`, and its share of `bytes_per_s`.

    What is `lost` was acknowledged to its sender by nobody who had it: such a connection never works again.
    """

    holds_to_server: bool = False
    holds_to_client: bool = False
    holds_transactions: bool = False
    latency_s: float = 0
    bytes_per_s: float = math.inf
    loses: bool = False
    refuses: bool = False

    def holds(self, *, to_server: bool) -> bool:
        """Whether nothing passes in this direction for now."""
        return self.holds_to_server if to_server else self.holds_to_client

    def delay(self, count: int) -> float:
        """Return the seconds that a piece of so many bytes takes."""
        return self.latency_s + count / self.bytes_per_s


PASSING = Condition()
SILENT = Condition(holds_to_server=True, holds_to_client=True)
DEAF = Condition(holds_to_client=True)  # the server hears everything, and its answers do not arrive
BETWEEN = Condition(holds_transactions=True)  # what is under way ends, and nothing new begins
MUTE = Condition(holds_to_server=True)  # the server hears nothing, and may go on answering
LOSING = Condition(loses=True)
REFUSING = Condition(refuses=True)
SLOW = Condition(latency_s=0.05, bytes_per_s=200_000)


@dataclass(slots=True, eq=False)
class Connection:
    """A connection through the proxy. `broken` says that it has lost something, and ends when that is over.

    One that is `lost` stays open, and nothing ever passes again: nobody is told.
    """

    client: trio.SocketStream
    server: trio.SocketStream
    condition: Condition
    broken: bool = False
    idle: bool = False
    lost: bool = False
    _changed: trio.Event = field(default_factory=trio.Event)
    _scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    def apply(self, condition: Condition) -> None:
        """Have bytes pass in another way from now on."""
        if self.lost:
            return
        self.condition = condition
        if self.broken and not condition.loses:
            self.reset()
        self._changed.set()
        self._changed = trio.Event()

    def lose(self) -> None:
        """Let nothing pass any more, and tell nobody."""
        self.apply(SILENT)
        self.lost = True

    def reset(self) -> None:
        """End it for both sides, with a reset."""
        for stream in (self.client, self.server):
            _reset(stream)
        self._scope.cancel()

    async def carry(self) -> None:
        """Carry bytes both ways until it ends."""
        try:
            with self._scope:
                await self._pump_both_ways()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # one side is gone: so is the other in a moment
        finally:
            self.client.socket.close()
            self.server.socket.close()

    async def _pump_both_ways(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(self._pump, self.client, self.server, to_server=True))
            nursery.start_soon(partial(self._pump, self.server, self.client, to_server=False))

    async def _pump(self, source: trio.SocketStream, sink: trio.SocketStream, *, to_server: bool) -> None:
        while data := await source.receive_some(_PIECE):
            await self._pass(len(data), to_server=to_server)
            self.idle = not to_server and data.endswith(_READY)
            if self.condition.loses or self.broken:
                self.broken = True
            else:
                await sink.send_all(data)
        await self._pass(0, to_server=to_server)
        if not self.broken:
            await sink.send_eof()

    async def _pass(self, count: int, *, to_server: bool) -> None:
        if delay := self.condition.delay(count):
            await trio.sleep(delay)
        while self._holds(to_server=to_server):
            await self._changed.wait()

    def _holds(self, *, to_server: bool) -> bool:
        is_beginning = to_server and self.idle and self.condition.holds_transactions
        return is_beginning or self.condition.holds(to_server=to_server)


@dataclass(slots=True)
class Proxy:
    """A proxy that listens on `port`, and leads new connections to `upstream`."""

    upstream: Address
    port: int
    condition: Condition = PASSING
    connections: list[Connection] = field(default_factory=list)

    def apply(self, condition: Condition, *, to: Iterable[Connection] | None = None) -> None:
        """Have bytes pass in another way: on these connections, or on all, including those to come."""
        if to is None:
            self.condition = condition
        for connection in list(self.connections if to is None else to):
            connection.apply(condition)
        if condition.refuses:
            self.reset()

    def reset(self) -> None:
        """End every connection with a reset."""
        for connection in list(self.connections):
            connection.reset()

    def redirect(self, upstream: Address) -> None:
        """Lead to another server from now on: nothing goes on with the one before."""
        self.upstream = upstream
        self.reset()

    async def serve(self, client: trio.SocketStream) -> None:
        """Serve one connection until it ends."""
        if self.condition.refuses:
            _reset(client)
            return
        try:
            server = await trio.open_tcp_stream(*self.upstream)
        except OSError:
            _reset(client)
            return
        connection = Connection(client, server, self.condition)
        self.connections.append(connection)
        try:
            await connection.carry()
        finally:
            self.connections.remove(connection)


@asynccontextmanager
async def open_proxy(upstream: Address) -> AsyncIterator[Proxy]:
    """Run a proxy on an ephemeral port of loopback for this block."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    proxy = Proxy(upstream, listener.socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, proxy.serve, [listener])
        yield proxy
        nursery.cancel_scope.cancel()


def _reset(stream: trio.SocketStream) -> None:
    with suppress(OSError):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
    stream.socket.close()
