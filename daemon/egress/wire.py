"""A connected socket, plain or with TLS: sending, receiving, and whether it is quiet.

Uses stdlib sockets and Trio's wait functions rather than Trio's streams: a send that does not block costs no turn of
the loop, and only a blocked one needs a second task that watches for an early response.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from daemon.egress.errors import DeadlinePassed

RECEIVE_SIZE = 16 * 1024


class Wire:
    """A plain connection, used by one task at a time. The caller has to `close` it.

    After `hang_up`, every wait raises DeadlinePassed.

    `shows_certificate` says whether the peer was shown one of ours if it asked.

    `truncated` says, at the end of the stream, that data may be missing: TLS ended without close_notify.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._is_hung_up = False
        self.truncated = False
        self.shows_certificate = False

    def hang_up(self) -> None:
        """End the wait that is going on, if there is one, and all later ones. It still has to be closed."""
        self._is_hung_up = True
        trio.lowlevel.notify_closing(self._socket)

    def encode(self, data: bytes) -> bytes:
        """Return the bytes to send, all of them and in order, for the peer to read `data`."""
        return data

    def send_now(self, encoded: bytes | memoryview) -> int:
        """Send what fits without waiting; return how many bytes. BlockingIOError if none, OSError if it broke."""
        return self._socket.send(encoded)

    def receive_now(self) -> bytes:
        """Return what has arrived, b"" at the end of the stream. BlockingIOError if nothing, OSError if it broke."""
        return self._socket.recv(RECEIVE_SIZE)

    async def receive(self) -> bytes:
        """Wait for data and return it, b"" at the end of the stream. OSError if the connection broke."""
        while True:
            await self._until(trio.lowlevel.wait_readable)
            try:
                return self._socket.recv(RECEIVE_SIZE)
            except BlockingIOError:
                continue

    async def wait_writable(self) -> None:
        """Wait until `send_now` can send."""
        await self._until(trio.lowlevel.wait_writable)

    async def wait_ready(self) -> None:
        """Wait until `send_now` can send or something has arrived."""
        async with trio.open_nursery() as nursery:

            async def one_of(ready: Callable[[socket.socket], Awaitable[None]]) -> None:
                with suppress(trio.ClosedResourceError):  # told below, outside of the nursery's group
                    await ready(self._socket)
                nursery.cancel_scope.cancel()

            nursery.start_soon(one_of, trio.lowlevel.wait_readable)
            await one_of(trio.lowlevel.wait_writable)
        self._require_time()

    def is_quiet(self) -> bool:
        """Whether the peer has neither sent anything nor closed: only then may another request be sent."""
        try:
            self.receive_now()
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close the connection, without close_notify."""
        self._socket.close()

    async def _until(self, ready: Callable[[socket.socket], Awaitable[None]]) -> None:
        self._require_time()
        try:
            await ready(self._socket)
        except trio.ClosedResourceError:
            raise DeadlinePassed from None

    def _require_time(self) -> None:
        if self._is_hung_up:
            raise DeadlinePassed


class TlsWire(Wire):
    """A connection with TLS, verified for `host`. Call `handshake` first."""

    def __init__(
        self, connected: socket.socket, context: ssl.SSLContext, host: str, *, shows_certificate: bool = False
    ) -> None:
        super().__init__(connected)
        self.shows_certificate = shows_certificate
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._flights = 0
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host.removesuffix("."))

    @property
    def has_answered(self) -> bool:
        """Whether the handshake came so far that we had sent more than a hello: our certificate, if one was wanted."""
        return self._flights > 1

    async def handshake(self) -> None:
        """Agree on keys; verify the certificate and the host's name (RFC 9110, 4.3.4). ssl.SSLError or OSError."""
        while True:
            try:
                self._tls.do_handshake()
                return await self._flush()
            except ssl.SSLWantReadError:
                await self._flush()
                self._decode(await super().receive())
            except ssl.SSLError:
                self._send_alert()
                raise

    def encode(self, data: bytes) -> bytes:
        """See Wire. Includes pending messages of TLS itself, which come first."""
        self._tls.write(data)
        return self._outgoing.read()

    def receive_now(self) -> bytes:
        """See Wire. Raises ssl.SSLError (an OSError) when the peer breaks the protocol."""
        while True:
            try:
                return self._read()
            except ssl.SSLWantReadError:
                self._decode(self._socket.recv(RECEIVE_SIZE))

    async def receive(self) -> bytes:
        """See Wire. Raises ssl.SSLError (an OSError) when the peer breaks the protocol."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            try:
                return self._read()
            except ssl.SSLWantReadError:
                self._decode(await super().receive())

    def _read(self) -> bytes:
        try:
            return self._tls.read(RECEIVE_SIZE)
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLEOFError:
            self.truncated = True
            return b""

    def _decode(self, arrived: bytes) -> None:
        if arrived:
            self._incoming.write(arrived)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        rest = memoryview(self._outgoing.read())
        self._flights += bool(rest)
        while rest:
            await self.wait_writable()
            with suppress(BlockingIOError):
                rest = rest[self.send_now(rest) :]

    def _send_alert(self) -> None:
        with suppress(OSError):
            self._socket.send(self._outgoing.read())
