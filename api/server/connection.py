"""One client's connection, on which every wait ends (architecture "The HTTP server").

Hypercorn's sends have no deadline, and its idle timer outlives the connection, or dies with the first request that
Quart-Trio answers. It is given this stream instead of the socket's own: here everything has its deadline.
"""

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf
from typing import Any

import trio


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client is waited for, in seconds.

    `idle_s`: until a whole request head is there. `send_s`: for each piece of a response. `linger_s`: for what it
    still sends after we have answered, so that it gets to read the answer. `last_s`: for a request on an idle
    connection when the server stops, which may be on its way: closing on it would refuse it.
    """

    idle_s: float = 30
    send_s: float = 15
    linger_s: float = 1
    last_s: float = 0.05

    @property
    def message_s(self) -> float:
        """The longest that one message of the application can take: sent behind another one, then a close."""
        return 2 * self.send_s + self.linger_s


DEFAULT_PATIENCE = Patience()
_PIECE_BYTES = 8 * 1024  # what is parsed in one go: a few milliseconds, even if it is all headers or chunks


class Connection:
    """A stream as Hypercorn's TCPServer takes one. It closes by itself when idle for too long.

    While `stopping`, each response has to say that it is the connection's last. It has `timed_out` when it closed
    because it was idle, or a head did not come, for too long.
    """

    def __init__(self, stream: trio.SocketStream, patience: Patience) -> None:
        self.socket = stream.socket
        self._stream = stream
        self._patience = patience
        self._requests = 0
        self.since = trio.current_time()
        self.stopping = False
        self.timed_out = False
        self._idle_until = trio.current_time() + patience.idle_s
        self._reading: trio.CancelScope | None = None
        self._read: trio.Event | None = None
        self._drained: trio.Event | None = None  # from the beginning of its close on
        self._unsent = b""
        self._holds_head = False
        self._given_back = b""

    @contextmanager
    def request(self) -> Iterator[None]:
        """Say that a request is being answered: the connection is not idle meanwhile."""
        self.begin_request()
        try:
            yield
        finally:
            self.end_request()

    def begin_request(self) -> None:
        """Say the same, until `end_request`."""
        self._requests += 1
        self.since = trio.current_time()
        self._wait_until(inf)

    def end_request(self) -> None:
        """Say that a request is answered."""
        self._requests -= 1
        self.since = trio.current_time()
        if not self._requests:
            self._wait_until(self.since + (self._patience.last_s if self.stopping else self._patience.idle_s))

    @property
    def is_answering(self) -> bool:
        """Whether a request is being answered; else it is idle. It is the one or the other `since` (Trio's time)."""
        return self._requests > 0

    def stop(self) -> None:
        """Close as soon as no request is being answered, or none has come in a last moment."""
        self.stopping = True
        if not self._requests:
            self._wait_until(trio.current_time() + self._patience.last_s)

    def abort(self) -> None:
        """Close at once; whoever reads or sends gets trio.ClosedResourceError."""
        self.socket.close()

    async def receive_some(self, max_bytes: int) -> bytes | bytearray:
        """Return what came, b"" at the end: the client's, or ours because it was idle for too long or is closing."""
        return await self.receive_at_most(min(max_bytes, _PIECE_BYTES))

    def give_back(self, data: bytes | bytearray) -> None:
        """Have what was read be read again: it was not for this reader."""
        self._given_back = bytes(data) + self._given_back

    async def receive_at_most(self, max_bytes: int) -> bytes | bytearray:
        """Return the same, for who parses large pieces quickly."""
        if self._drained is not None:
            await self._drained.wait()
            return b""
        if self._given_back:
            data, self._given_back = self._given_back[:max_bytes], self._given_back[max_bytes:]
            await trio.lowlevel.checkpoint()
            return data
        try:
            with trio.CancelScope(deadline=self._idle_until) as self._reading:
                data = await self._arrival(max_bytes)
                while data and self._drained is not None:
                    data = await self._arrival(max_bytes)
                return data
        finally:
            self._reading = None
            if self._read is not None:
                self._read.set()
        self.timed_out = True
        return b""

    async def _arrival(self, max_bytes: int) -> bytes:
        """Wait for bytes and return them. Trio's own stream tries first to read what has mostly not come yet."""
        while True:
            await trio.lowlevel.wait_readable(self._descriptor)
            try:
                return os.read(self._descriptor, max_bytes)
            except BlockingIOError:
                continue
            except OSError as error:
                raise trio.BrokenResourceError from error

    async def send_all(self, data: bytes) -> None:
        """Send. Raises trio.BrokenResourceError, with the connection closed, if the client does not take it in time."""
        self._unsent += data
        if self._holds_head or not self._unsent:
            return
        unsent, self._unsent = self._unsent, b""
        with trio.move_on_after(self._patience.send_s):
            await self._stream.send_all(unsent)
            return
        self.abort()
        raise trio.BrokenResourceError("the client does not read its response")

    async def send_now(self, data: bytes) -> None:
        """Send the same, without a turn of the event loop if the socket takes all of it."""
        try:
            sent = os.write(self._descriptor, data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise trio.BrokenResourceError from error
        if sent < len(data):
            await self.send_all(data[sent:])

    async def flush(self) -> None:
        """Send what is held back. Raises like `send_all`."""
        self._holds_head = False
        await self.send_all(b"")

    async def undisturbed(self, send: Callable[[Any], Awaitable[None]], message: Any) -> None:
        """Hand a message of the application to Hypercorn, in one piece.

        The end of a response cancels the application, which would stop Hypercorn half-way through closing or reusing
        the connection. The head of a response waits for its body: one send instead of two.
        """
        self._holds_head = message["type"] == "http.response.start"
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self._patience.message_s) as scope:
            await send(message)
        if scope.cancelled_caught:
            self.abort()

    async def send_eof(self) -> None:
        """Say that nothing more will be sent."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close. If the client may still be sending, first let that run dry: closing on it would lose it our answer.

        Whoever closes it meanwhile waits for the same: two cannot read at once.
        """
        if self._drained is not None:
            await self._drained.wait()
            return
        self._drained = trio.Event()
        try:
            with trio.move_on_after(0 if self.stopping else self._patience.linger_s):
                await self._run_dry()
        finally:
            try:
                await self._stream.aclose()
            finally:
                self._drained.set()

    async def _run_dry(self) -> None:
        if self._reading is not None:  # who reads discards
            self._read = trio.Event()
            await self._read.wait()
            return
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while await self._stream.receive_some():
                pass

    @property
    def _descriptor(self) -> int:
        """The socket's. Raises trio.ClosedResourceError if it is closed."""
        descriptor = self.socket.fileno()
        if descriptor < 0:
            raise trio.ClosedResourceError
        return descriptor

    def _wait_until(self, deadline: float) -> None:
        self._idle_until = deadline
        if self._reading is not None:
            self._reading.deadline = deadline
