"""A scriptable receiver on loopback: records every request raw and gives whatever answer a test asks for.

async with open_receiver(respond(500)) as receiver:
    ...                              # POST to receiver.url
    receiver.answer = respond(200)   # switch the answer at any time
    await receiver.received(2)       # wait, without sleeping, until two requests have come in
"""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import trio

HeaderList = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it came: `head` raw, `headers` in order; `connection` counts from 0."""

    head: bytes
    body: bytes
    connection: int

    @property
    def request_line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:-2]
        return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]

    def header(self, name: str) -> str | None:
        """The value of the only header of this name in any case, or None."""
        values = [value for found, value in self.headers if found.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


@dataclass(slots=True)
class Exchange:
    """One request in the hands of an answer: its connection, and what came of it."""

    stream: trio.abc.Stream
    request: ReceivedRequest
    keep_open: bool = True

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)


Answer = Callable[[Exchange], Awaitable[None]]


@dataclass(slots=True)
class Receiver:
    """A running receiver. With `reads_body` off it answers as soon as the head is there, and a request's
    `body` is what came along with it.
    """

    url: str
    port: int
    answer: Answer
    reads_body: bool = True
    requests: list[ReceivedRequest] = field(default_factory=list)
    connections: int = 0
    failed_handshakes: int = 0
    _changed: trio.Event = field(default_factory=trio.Event)
    _open: set[trio.SocketStream] = field(default_factory=set)

    async def received(self, count: int) -> list[ReceivedRequest]:
        """Wait until `count` requests have come in, at most 10 s; return them all."""
        with trio.fail_after(10):
            return await self.received_in_time(count)

    async def received_in_time(self, count: int) -> list[ReceivedRequest]:
        """Wait until `count` requests have come in, however long that takes; return them all."""
        while len(self.requests) < count:
            await self._changed.wait()
        return self.requests

    async def disconnected(self) -> None:
        """Wait until no connection is open, at most 10 s."""
        with trio.fail_after(10):
            while self._open:
                await self._changed.wait()

    def disconnect(self) -> None:
        """Close every connection, as a receiver that restarts does."""
        for stream in self._open:
            stream.socket.shutdown(trio.socket.SHUT_RDWR)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def serve(self, raw: trio.SocketStream, tls: ssl.SSLContext | None) -> None:
        """Serve one connection until it ends."""
        number = self.connections
        self.connections += 1
        self._open.add(raw)
        try:
            await self._serve_stream(
                trio.SSLStream(raw, tls, server_side=True, https_compatible=True) if tls else raw, number
            )
        except (trio.BrokenResourceError, trio.ClosedResourceError, ConnectionError):
            pass  # a client may leave at any time: tests look at what it did, not at how it left
        finally:
            await trio.aclose_forcefully(raw)
            self._open.discard(raw)
            self._notify()

    async def _serve_stream(self, stream: trio.abc.Stream, number: int) -> None:
        if isinstance(stream, trio.SSLStream):
            try:
                await stream.do_handshake()
            except trio.BrokenResourceError:
                self.failed_handshakes += 1
                return
        buffer = bytearray()
        while (request := await self._read(stream, buffer, number)) is not None:
            self.requests.append(request)
            self._notify()
            exchange = Exchange(stream, request)
            await self.answer(exchange)
            if not exchange.keep_open:
                return

    async def _read(self, stream: trio.abc.Stream, buffer: bytearray, number: int) -> ReceivedRequest | None:
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            if not await _more(stream, buffer):
                return None
        head = bytes(buffer[: end + 4])
        del buffer[: end + 4]
        announced = int(ReceivedRequest(head, b"", number).header("content-length") or 0)
        length = announced if self.reads_body else len(buffer)
        while len(buffer) < length:
            if not await _more(stream, buffer):
                return None
        body = bytes(buffer[:length])
        del buffer[:length]
        return ReceivedRequest(head, body, number)


async def _more(stream: trio.abc.Stream, buffer: bytearray) -> bool:
    data = await stream.receive_some()
    buffer += data
    return bool(data)


@asynccontextmanager
async def open_receiver(
    answer: Answer | None = None, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", name: str | None = None
) -> AsyncIterator[Receiver]:
    """Run a receiver on an ephemeral port of `host`; its `url` names `name`, or the address."""
    (listener,) = await trio.open_tcp_listeners(0, host=host)
    port = listener.socket.getsockname()[1]
    shown = name or (f"[{host}]" if ":" in host else host)
    receiver = Receiver(f"{'https' if tls else 'http'}://{shown}:{port}/hook", port, answer or respond(200))

    async def serve(stream: trio.SocketStream) -> None:
        await receiver.serve(stream, tls)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        try:
            yield receiver
        finally:
            nursery.cancel_scope.cancel()


def response(status: int, body: bytes = b"", headers: HeaderList = ()) -> bytes:
    """The bytes of a whole response with its Content-Length."""
    reason = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Whatever"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def respond(status: int, body: bytes = b"", headers: HeaderList = ()) -> Answer:
    """Answer with a whole response and keep the connection."""
    return send(response(status, body, headers))


def send(*pieces: bytes, then_close: bool = False) -> Answer:
    """Answer with these bytes, whatever they are; each piece is sent by itself."""

    async def answer(exchange: Exchange) -> None:
        for piece in pieces:
            await exchange.send(piece)
        exchange.keep_open = not then_close

    return answer


def hang_up() -> Answer:
    """Close the connection without an answer."""
    return send(then_close=True)


def hang(after: bytes = b"") -> Answer:
    """Send `after`, then nothing more, and keep the connection open."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(after)
        await trio.sleep_forever()

    return answer


def endless(start: bytes, piece: bytes, pause_s: float = 0) -> Answer:
    """Send `start`, then `piece` again and again until the client leaves; a pause makes it drip."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(start)
        while True:
            await exchange.send(piece)
            await trio.sleep(pause_s)

    return answer


def in_turn(*answers: Answer) -> Answer:
    """Give each answer once, in this order, and the last one ever after."""
    waiting = list(answers)

    async def answer(exchange: Exchange) -> None:
        current = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        await current(exchange)

    return answer
