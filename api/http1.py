"""HTTP/1.1 as this API speaks it: nothing else, and no request that two servers could read in two ways (RFC 9112).

Hypercorn's own connection would also speak HTTP/2, h2c and WebSocket, before anybody has shown a key; and it answers a
malformed request without saying what is wrong.
"""

import re
from collections.abc import Callable
from typing import Any

import h11
import orjson
from hypercorn.config import Config
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

from api.errors import ApiError, Code
from api.problems import MEDIA_TYPE, problem_of
from api.safety import SAFETY_HEADERS

MAX_HEAD_BYTES = 16 * 1024
_MAX_CHUNKS = 10_000  # of one body: the parser's work is by the chunk, and no encoder makes smaller ones
_ABSOLUTE = re.compile(rb"https?://[^/?#]+(?P<rest>.*)", re.IGNORECASE)
_TOO_LARGE = 431
_HINTS = {
    _TOO_LARGE: (Code.HEAD_TOO_LARGE, "The request's head is longer than 16 KiB: send a shorter path or less headers."),
}
_MALFORMED = (Code.INVALID_REQUEST, "The request is not HTTP/1.1 as RFC 9112 wants it: correct what sends it.")


class Http1Server(TCPServer):
    """One connection that stays with HTTP/1.1."""

    async def run(self) -> None:
        """Serve it to its end."""
        try:
            stream: Any = self.stream  # a Connection
            socket = stream.socket
            client = parse_socket_addr(socket.family, socket.getpeername())
            server = parse_socket_addr(socket.family, socket.getsockname())
            async with TaskGroup() as tasks:
                self._task_group = tasks
                state = ConnectionState(self.state)
                self.protocol = _Http1Protocol(  # type: ignore[assignment]  # it is called like the wrapper of both
                    lambda: bool(stream.stopping),
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


class _Http1Protocol(H11Protocol):
    """Hypercorn's protocol on a stricter parser, with problem documents for what does not parse."""

    def __init__(self, is_stopping: Callable[[], bool], app: Any, config: Config, *arguments: Any) -> None:
        super().__init__(app, config, *arguments)
        self._is_stopping = is_stopping
        self.connection = _StrictParser(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def _send_h11_event(self, event: Any) -> None:
        # Hypercorn's own way, its context's `terminated`, would close without having said so, on a client that may be
        # sending its next request (RFC 9112, 9.6).
        if isinstance(event, h11.Response) and self._is_stopping():
            headers = [*event.headers.raw_items(), (b"connection", b"close")]
            event = h11.Response(status_code=event.status_code, headers=headers)
        await super()._send_h11_event(event)

    async def _send_error_response(self, status_code: int) -> None:
        refusal = ApiError(*_HINTS.get(status_code, _MALFORMED))
        body = orjson.dumps(problem_of(refusal))
        headers = [*_REFUSAL_HEADERS, (b"content-length", b"%d" % len(body)), *self.config.response_headers("h11")]
        await self._send_h11_event(h11.Response(status_code=refusal.status, headers=headers))
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())


_REFUSAL_HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {"Content-Type": MEDIA_TYPE, "Connection": "close", **SAFETY_HEADERS}.items()
)


class _StrictParser(h11.Connection):
    """Refuses what RFC 9112 lets a server refuse for the sake of safety, and offers no other protocol."""

    _chunks = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event. Raises h11.RemoteProtocolError for a malformed request."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = 0
            return _judged(event)
        if isinstance(event, h11.Data) and event.chunk_start:
            self._chunks += 1
            if self._chunks > _MAX_CHUNKS:
                raise h11.RemoteProtocolError("too many chunks")
        return event


def _judged(request: h11.Request) -> h11.Request:
    """Return the request with its target in origin form (RFC 9112, 3.2.1) and without Upgrade (RFC 9110, 7.8)."""
    if len(request.target) + sum(len(name) + len(value) for name, value in request.headers) > MAX_HEAD_BYTES:
        raise h11.RemoteProtocolError("too large", error_status_hint=_TOO_LARGE)
    names = {name for name, _ in request.headers}
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
