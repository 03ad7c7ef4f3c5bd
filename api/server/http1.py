"""HTTP/1.1 as this API speaks it: nothing else, and no request that two servers could read in two ways (RFC 9112).

Hypercorn's own connection would also speak HTTP/2, h2c and WebSocket, before anybody has shown a key; and it answers a
malformed request without saying what is wrong.
"""

import re
from contextlib import suppress
from typing import Any, cast

import h11
import orjson
import trio
from h11._receivebuffer import ReceiveBuffer
from hypercorn.config import Config
from hypercorn.events import RawData
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

from api.http.errors import ApiError, Code
from api.http.problems import MEDIA_TYPE, problem_of
from api.http.security_headers import SAFETY_HEADERS
from api.limits.sizes import MAX_HEAD_BYTES
from api.server.connection import Connection

_MAX_CHUNKS = 10_000  # of one body: the parser's work is by the chunk, and no encoder makes smaller ones
# A line feed or a carriage return alone, a folded line (RFC 9112, 2.2 and 5.2), a control character (RFC 9110, 5.5).
_NO_LINE = re.compile(rb"(?<!\r)\n|\r(?=[^\n])|\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# What a Host may be (RFC 9110, 7.2): an empty one, a name or an address, and perhaps a port.
_HOST = re.compile(rb"(?:\[[0-9A-Za-z:.%_~-]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]*)(?::[0-9]*)?")
_ABSOLUTE = re.compile(rb"https?://[^/?#]+(?P<rest>.*)", re.IGNORECASE)
_TOO_LARGE = 431
_OVER = (h11.MUST_CLOSE, h11.CLOSED, h11.ERROR)
_HINTS = {
    _TOO_LARGE: (Code.HEAD_TOO_LARGE, "The request's head is longer than 16 KiB: send a shorter path or less headers."),
}
_TOO_SLOW = (Code.REQUEST_TIMEOUT, "The request's head did not arrive in time: send it again, faster.")
_MALFORMED = (Code.INVALID_REQUEST, "The request is not HTTP/1.1 as RFC 9112 wants it: correct what sends it.")


class Http1Server(TCPServer):
    """One connection that stays with HTTP/1.1."""

    @property
    def _connection(self) -> Connection:
        return cast(Connection, self.stream)

    async def run(self) -> None:
        """Serve it to its end."""
        try:
            socket = self._connection.socket
            client = parse_socket_addr(socket.family, socket.getpeername())
            server = parse_socket_addr(socket.family, socket.getsockname())
            async with TaskGroup() as tasks:
                self._task_group = tasks
                state = ConnectionState(self.state)
                self.protocol = _Http1Protocol(  # type: ignore[assignment]  # it is called like the wrapper of both
                    self._connection,
                    self.app,
                    self.config,
                    self.context,
                    tasks,
                    state,
                    False,
                    client,
                    server,
                    self.protocol_send,
                )
                await self._read_data()
        except OSError:
            pass  # it is gone
        finally:
            await self._close()

    async def _close(self) -> None:
        async with self.send_lock:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._connection.flush()
        await super()._close()


class _Http1Protocol(H11Protocol):
    """Hypercorn's protocol on a stricter parser, with problem documents for what does not parse."""

    def __init__(self, client: Connection, app: Any, config: Config, *arguments: Any) -> None:
        super().__init__(app, config, *arguments)
        self._client = client
        self.connection = _StrictParser()

    async def _send_h11_event(self, event: Any) -> None:
        # Hypercorn's own way, its context's `terminated`, would close without having said so, on a client that may be
        # sending its next request (RFC 9112, 9.6). The same goes for a body that nobody has read.
        is_last = self._client.stopping or self.connection.their_state is h11.SEND_BODY
        if isinstance(event, h11.Response) and is_last:
            headers = [*event.headers.raw_items(), (b"connection", b"close")]
            event = h11.Response(status_code=event.status_code, headers=headers)
        await super()._send_h11_event(event)

    async def _send_error_response(self, status_code: int) -> None:
        refusal = ApiError(*(_TOO_SLOW if self._client.timed_out else _HINTS.get(status_code, _MALFORMED)))
        body = orjson.dumps(problem_of(refusal))
        headers = [*_REFUSAL_HEADERS, (b"content-length", b"%d" % len(body)), *self.config.response_headers("h11")]
        response = h11.Response(status_code=refusal.status, headers=headers)
        sent = self.connection.send(response) or b""
        with suppress(h11.LocalProtocolError):  # the answer to HEAD has no body
            sent += self.connection.send(h11.Data(data=body)) or b""
            self.connection.send(h11.EndOfMessage())
        await self.send(RawData(data=sent))  # in one piece: the application may be about to answer, too


_REFUSAL_HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {"Content-Type": MEDIA_TYPE, "Connection": "close", **SAFETY_HEADERS}.items()
)


class _StrictParser(h11.Connection):
    """Refuses what RFC 9112 lets a server refuse for the sake of safety, and offers no other protocol."""

    _chunks = 0

    def __init__(self) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._receive_buffer = _StrictLines()

    def receive_data(self, data: bytes) -> None:
        """Take what came, unless it is behind the connection's last request (RFC 9112, 9.6)."""
        if self.their_state not in _OVER:
            super().receive_data(data)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event. Raises h11.RemoteProtocolError for a malformed request.

        Once its response has begun it is too late to refuse it: the response ends, and the connection with it.
        """
        if self.their_state in (h11.MUST_CLOSE, h11.CLOSED):
            return h11.NEED_DATA
        try:
            return self._next_event()
        except h11.RemoteProtocolError:
            self._process_error(h11.CLIENT)
            if self.our_state is h11.SEND_BODY:
                return h11.NEED_DATA
            raise

    def _next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = 0
            return _checked(event)
        if isinstance(event, h11.Data) and event.chunk_start:
            self._chunks += 1
            if self._chunks > _MAX_CHUNKS:
                raise h11.RemoteProtocolError("too many chunks")
        return event


class _StrictLines(ReceiveBuffer):
    """Lines end with CRLF and nothing else: h11 takes a bare line feed for an end, and unfolds folded lines."""

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Return the lines up to an empty one, None if it has not come. Raises h11.LocalProtocolError."""
        if not self._data.startswith(b"\r\n"):
            start = max(0, self._multiple_lines_search - 1)  # what was looked through before is not again
            end = self._data.find(b"\r\n\r\n", start)
            end = len(self._data) if end < 0 else end
            _refuse_no_line(self._data, start, end)
            if end > MAX_HEAD_BYTES:
                raise h11.LocalProtocolError("too large", error_status_hint=_TOO_LARGE)
        return super().maybe_extract_lines()

    def maybe_extract_next_line(self) -> bytearray | None:
        """Return the line of a chunk's size, None if it has not come. Raises h11.LocalProtocolError."""
        line = super().maybe_extract_next_line()
        unfinished = self._data if line is None else line
        _refuse_no_line(unfinished, 0, len(unfinished))
        return line


def _refuse_no_line(data: bytearray, start: int, end: int) -> None:
    if _NO_LINE.search(data, start, end):
        raise h11.LocalProtocolError("not a line (RFC 9112, 2.2)")  # of ours: it makes the peer's of it


def _checked(request: h11.Request) -> h11.Request:
    """Return the request with its target in origin form (RFC 9112, 3.2.1) and without Upgrade (RFC 9110, 7.8)."""
    names = {name for name, _ in request.headers}
    if not all(_HOST.fullmatch(value) for name, value in request.headers if name == b"host"):
        raise h11.RemoteProtocolError("no host (RFC 9112, 3.2)")
    if request.http_version not in (b"1.0", b"1.1"):
        raise h11.RemoteProtocolError("no version of HTTP/1")
    if b"transfer-encoding" in names and (b"content-length" in names or request.http_version == b"1.0"):
        raise h11.RemoteProtocolError("two servers could see its end in two places (RFC 9112, 6.1)")
    target = _origin_form(request)
    if target == request.target and b"upgrade" not in names:
        return request
    headers = [(name, value) for name, value in request.headers if name != b"upgrade"]
    return h11.Request(method=request.method, target=target, headers=headers, http_version=request.http_version)


def _origin_form(request: h11.Request) -> bytes:
    target = request.target
    if absolute := _ABSOLUTE.fullmatch(target):
        rest = absolute["rest"]
        target = rest if rest.startswith(b"/") else b"/" + rest
    is_path = target.startswith(b"/") and not target.startswith(b"//")  # routing would take // for /
    if not is_path and (request.method, target) != (b"OPTIONS", b"*"):
        raise h11.RemoteProtocolError("no request target")
    return target
