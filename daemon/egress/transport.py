"""The httpx transport of one webhook: one keep-alive connection; no pool, redirects or proxies (DESIGN "Egress")."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import trio

from daemon.egress.connect import open_wire
from daemon.egress.errors import BlockedAddress
from daemon.egress.exchange import exchange, receive_into
from daemon.egress.reply import Reply
from daemon.egress.resolver import Resolve
from daemon.egress.urls import EgressRules, parse_target
from daemon.egress.wire import Wire
from daemon.errors import UrlNotAllowed

_Origin = tuple[bytes, bytes, int | None]


@dataclass(frozen=True, slots=True)
class _Idle:
    wire: Wire
    origin: _Origin
    until: float


class EndpointTransport(httpx.AsyncBaseTransport):
    """Carries the requests of one webhook, one at a time, and keeps its connection for the next.

    Requests have whole bodies. A response's stream gives the body as it came, never decoded; closing it before its
    end closes the connection. Deadlines are the caller's cancel scopes: a cancel anywhere leaks nothing. Until the
    head of the response is there, `request.extensions["phase"]` says how far the request got, for a person.
    """

    def __init__(self, rules: EgressRules, resolve: Resolve, tls: ssl.SSLContext, idle_s: float = 30.0) -> None:
        """`tls` is shared by all transports; a connection that was idle for `idle_s` seconds carries nothing more."""
        self._rules = rules
        self._resolve = resolve
        self._tls = tls
        self._idle_s = idle_s
        self._idle: _Idle | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return its response once the head is there, with the status whatever it is.

        A kept connection that the receiver closed meanwhile is replaced before anything is sent. Raises
        httpx.TransportError: DnsError, TlsError, BlockedAddress, or httpx's ConnectError, ReadError, WriteError,
        RemoteProtocolError and (a line break in a header) LocalProtocolError.
        """
        head = _head(request)
        content = await request.aread()
        origin = (request.url.raw_scheme, request.url.raw_host, request.url.port)
        wire = self._take_idle(origin) or await self._open(request)
        request.extensions["phase"] = "waiting for the response"
        try:
            reply = Reply()
            sent_all = await exchange(wire, head + content, reply)
        except BaseException:
            wire.close()
            raise
        return self._response(wire, origin, reply, sent_all)

    async def aclose(self) -> None:
        """Close the kept connection; a later request opens another."""
        self._close_idle()

    def _close_idle(self) -> None:
        if self._idle is not None:
            self._idle.wire.close()
            self._idle = None

    def _take_idle(self, origin: _Origin) -> Wire | None:
        idle, self._idle = self._idle, None
        if idle is None:
            return None
        if idle.origin == origin and trio.current_time() < idle.until and idle.wire.is_quiet():
            return idle.wire
        idle.wire.close()
        return None

    async def _open(self, request: httpx.Request) -> Wire:
        try:
            target = parse_target(str(request.url), self._rules.allow_http)
        except UrlNotAllowed as error:
            raise BlockedAddress(error.sentence) from None
        request.extensions["phase"] = "connecting"
        return await open_wire(target, self._rules, self._resolve, self._tls)

    def _response(self, wire: Wire, origin: _Origin, reply: Reply, sent_all: bool) -> httpx.Response:
        def release() -> None:
            if reply.complete and reply.reusable and sent_all:
                self._keep(wire, origin, reply.keep_alive_s)
            else:
                wire.close()

        body = _Body(wire, reply, release)
        if reply.complete:
            body.release()
        assert reply.status is not None
        return httpx.Response(reply.status, headers=reply.headers, stream=body)

    def _keep(self, wire: Wire, origin: _Origin, keep_alive_s: float | None) -> None:
        self._close_idle()
        # A second less than the receiver says, so that no request meets its close on the way.
        idle_s = self._idle_s if keep_alive_s is None else min(self._idle_s, keep_alive_s - 1)
        self._idle = _Idle(wire, origin, trio.current_time() + idle_s)


class _Body(httpx.AsyncByteStream):
    """A response's body. No generator, which must not be left before its end."""

    def __init__(self, wire: Wire, reply: Reply, release: Callable[[], None]) -> None:
        self._wire = wire
        self._reply = reply
        self._release: Callable[[], None] | None = release

    def __aiter__(self) -> "_Body":
        return self

    async def __anext__(self) -> bytes:
        while True:
            if body := self._reply.take_body():
                return body
            if self._reply.complete:
                raise StopAsyncIteration
            await receive_into(self._reply, self._wire)

    async def aclose(self) -> None:
        self.release()

    def release(self) -> None:
        """Give the connection back, or close it when it can carry nothing more; once."""
        release, self._release = self._release, None
        if release is not None:
            release()


def _head(request: httpx.Request) -> bytes:
    fields = request.headers.raw
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % field for field in fields]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    if head.count(b"\n") != len(fields) + 2 or head.count(b"\r") != len(fields) + 2:
        raise httpx.LocalProtocolError("a header of the request contains a line break")
    return head
