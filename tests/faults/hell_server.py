"""A receiver that misbehaves on its first connection, as a row of the table says, and is healthy ever after."""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import trio

from daemon.domain.model import OutcomeKind

Certificate = Literal["good", "of another name", "expired", "self-signed", "asks for the client's"]

HEALTHY_BODY = b"healthy"
HEALTHY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(HEALTHY_BODY), HEALTHY_BODY)


@dataclass(frozen=True, slots=True)
class Connection:
    """What a fiend works with: the stream (under TLS if it has a certificate), and the socket below."""

    stream: trio.abc.Stream
    raw: trio.SocketStream
    victim_is_gone: trio.Event

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def close(self) -> None:
        """Close as TCP wants it, but without TLS's goodbye."""
        await trio.aclose_forcefully(self.raw)

    async def reset(self) -> None:
        """Have the kernel send RST in place of FIN."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await self.close()


Conduct = Callable[[Connection], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fiend:
    """One row: what the receiver does with its first connection, and the outcome that the daemon must make of it.

    A conduct that returns leaves the connection to a healthy receiver: what was sent on it must not be mistaken for
    the answer to the next request. `status` is what must have been kept of the response, None if it had none.
    `or_else` is what the outcome may be as well, where the kernel's timing decides.
    """

    name: str
    conduct: Conduct
    outcome: OutcomeKind
    status: int | None = None
    body: bytes | None = None
    certificate: Certificate | None = None
    reads_request: bool = True
    request_size: int = 2
    shakes_hands: bool = True
    or_else: OutcomeKind | None = None


@dataclass(slots=True)
class Hell:
    """A running fiend: where it is, the requests that it read, and how many connections it has seen."""

    fiend: Fiend
    contexts: Mapping[Certificate, ssl.SSLContext]
    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    victim_is_gone: trio.Event = field(default_factory=trio.Event)
    misconduct_is_over: trio.Event = field(default_factory=trio.Event)
    _open: int = 0
    _deserted: trio.Event = field(default_factory=trio.Event)

    @property
    def url(self) -> str:
        return self.url_at("hooks.example.com")

    def url_at(self, host: str) -> str:
        """Return its URL under this name or address."""
        return f"{'https' if self.fiend.certificate else 'http'}://{host}:{self.port}/hook"

    async def deserted(self) -> None:
        """Wait until every connection has ended: one that the client leaked would never."""
        with trio.fail_after(5):
            while self._open:
                self._deserted = trio.Event()
                await self._deserted.wait()

    async def serve(self, raw: trio.SocketStream) -> None:
        """Serve one connection to its end, however the client leaves."""
        self.connections += 1
        self._open += 1
        try:
            await self._serve(raw, fiendish=self.connections == 1)
        except (trio.BrokenResourceError, trio.ClosedResourceError, ConnectionError):
            pass  # looked at from the other side
        finally:
            await trio.aclose_forcefully(raw)
            self._open -= 1
            self._deserted.set()

    async def _serve(self, raw: trio.SocketStream, fiendish: bool) -> None:
        if not fiendish:
            stream = await self._secured(raw, "good")
        else:
            stream = await self._misbehave(raw)
        while await self._read_request(stream):
            await stream.send_all(HEALTHY)

    async def _misbehave(self, raw: trio.SocketStream) -> trio.abc.Stream:
        try:
            stream = await self._secured(raw, self.fiend.certificate) if self.fiend.shakes_hands else raw
            if self.fiend.reads_request:
                await self._read_request(stream)
            await self.fiend.conduct(Connection(stream, raw, self.victim_is_gone))
        finally:
            self.misconduct_is_over.set()
        return stream

    async def _secured(self, raw: trio.SocketStream, certificate: Certificate | None) -> trio.abc.Stream:
        if self.fiend.certificate is None or certificate is None:
            return raw
        stream = trio.SSLStream(raw, self.contexts[certificate], server_side=True, https_compatible=True)
        await stream.do_handshake()
        return stream

    async def _read_request(self, stream: trio.abc.Stream) -> bool:
        """Read a head and a body as long as the head says; False at the end of the stream."""
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0 or len(received) < end + 4 + _announced(received[:end]):
            data = await stream.receive_some()
            if not data:
                return False
            received += data
        self.requests.append(received)
        return True


def _announced(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)


@asynccontextmanager
async def running_hell(fiend: Fiend, contexts: Mapping[Certificate, ssl.SSLContext]) -> AsyncIterator[Hell]:
    """Run the fiend on an ephemeral port of loopback."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    hell = Hell(fiend, contexts, listener.socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, hell.serve, [listener])
        try:
            yield hell
        finally:
            nursery.cancel_scope.cancel()
