"""The transport of one webhook: one keep-alive connection; no pool, no redirects (architecture "Egress")."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import httpx
import trio

from daemon.domain.errors import UrlNotAllowed
from daemon.egress.client_tls import TlsContexts
from daemon.egress.connector import Connector
from daemon.egress.deadlines import Deadlines
from daemon.egress.errors import BlockedAddress, DeadlinePassed, NotPermitted
from daemon.egress.exchange import exchange
from daemon.egress.lookups import Lookups
from daemon.egress.operator_proxy import OperatorProxy
from daemon.egress.post import Post, request_start
from daemon.egress.racing import MoreSockets
from daemon.egress.response import Response
from daemon.egress.urls import EgressRules, Target, permitted_target
from daemon.egress.way import Way
from daemon.egress.wire import Wire


class Transport(Protocol):
    """Carries the POSTs of one webhook, one at a time."""

    async def prepare(self, url: str, team_id: str) -> None:
        """Wait for what the next POST to this URL needs and all webhooks share, handed out fairly by team.

        The wait is not part of the attempt, since it says nothing about the receiver. What is acquired is held until
        that POST or `close`. By default, nothing is needed.
        """
        await trio.lowlevel.checkpoint()

    async def send(self, post: Post, response: Response, deadline: float) -> None:
        """Send the POST and fill `response` until it is `enough`; after an error it has what arrived until then.

        Raises DeadlinePassed at `deadline` (Trio's clock), and httpx.TransportError: an EgressError, or httpx's
        ConnectError, ReadError, WriteError or RemoteProtocolError. A cancel at any await leaks nothing.
        """
        ...

    def take_more_from(self, more: MoreSockets) -> None:
        """Take descriptors beyond the one of an attempt from there. By default, none are needed."""
        return

    def go_by(self, way: Way) -> None:
        """Send the next POSTs by this way. By default, there is one way only."""
        return

    @property
    def keeps_connection(self) -> bool:
        """Whether a connection is open for the next POST."""
        return False

    def close(self) -> None:
        """Close the kept connection; a later POST opens another."""
        ...


@dataclass(frozen=True, slots=True)
class _Route:
    """The target of a URL, and how a request for it starts."""

    url: str
    target: Target
    start: bytes


@dataclass(frozen=True, slots=True)
class _Idle:
    wire: Wire
    route: _Route
    until: float


class EndpointTransport(Transport):
    """Sends over real sockets, and keeps its connection for the next POST to the same URL.

    A kept connection that ends before a byte of the response has arrived is replaced, once, and the request is sent
    again (contract "An attempt"). The connection is closed when the response was not read to its end.
    """

    def __init__(
        self,
        rules: EgressRules,
        lookups: Lookups,
        tls: ssl.SSLContext | TlsContexts,
        *,
        deadlines: Deadlines,
        idle_s: float = 30.0,
        may_send: Callable[[], bool] = lambda: True,
        operator_proxy: OperatorProxy | None = None,
        webhook_proxies: bool = True,
    ) -> None:
        """All transports share `lookups`, `tls`, `deadlines` and the operator's proxy. A connection idle for `idle_s`
        seconds is not used again. `may_send()` is asked right before a request's first byte.
        `webhook_proxies` says whether a webhook may go by a proxy of its own.
        """
        self._rules = rules
        contexts = tls if isinstance(tls, TlsContexts) else TlsContexts(tls)
        self._connector = Connector(
            rules, lookups, contexts=contexts, operator_proxy=operator_proxy, webhook_proxies=webhook_proxies
        )
        self._deadlines = deadlines
        self._idle_s = idle_s
        self._may_send = may_send
        self._route: _Route | None = None
        self._idle: _Idle | None = None

    def take_more_from(self, more: MoreSockets) -> None:
        """See Transport: several addresses of a name are tried at once."""
        self._connector.more = more

    def go_by(self, way: Way) -> None:
        """See Transport. A kept connection that came another way is closed."""
        if way != self._connector.way:
            self._connector.way = way
            self._close_idle()

    async def prepare(self, url: str, team_id: str) -> None:
        """See Transport: a new connection needs a slot for its lookup."""
        if self._idle is not None and self._idle.route.url == url and trio.current_time() < self._idle.until:
            return
        self._connector.release()
        try:
            target = self._route_to(url).target
        except BlockedAddress:
            return  # `send` raises it
        await self._connector.prepare(target, team_id)

    async def send(self, post: Post, response: Response, deadline: float) -> None:
        """See Transport."""
        route = self._route_to(post.url)
        kept = self._take_idle(route)
        if kept is None or not await self._send_on_kept(kept, route, post=post, response=response, deadline=deadline):
            wire = await self._connect(route.target, response, deadline)
            await self._send_on(wire, route, post=post, response=response, deadline=deadline)

    async def _send_on_kept(
        self, wire: Wire, route: _Route, *, post: Post, response: Response, deadline: float
    ) -> bool:
        """Return False if the connection ended before any byte of the response: receivers may close it at any time."""
        try:
            await self._send_on(wire, route, post=post, response=response, deadline=deadline)
        except NotPermitted:
            raise
        except httpx.TransportError:
            if response.begun:
                raise
            return False
        return True

    async def _send_on(self, wire: Wire, route: _Route, *, post: Post, response: Response, deadline: float) -> None:
        if not self._may_send():
            wire.close()
            raise NotPermitted("the daemon lost its connection to the database before the request was sent")
        response.stage = "waiting for the response"
        self._deadlines.begin(wire, deadline)
        try:
            sent_all = await exchange(wire, b"%b%b%b" % (route.start, post.fields, post.body), response)
        except BaseException:
            wire.close()
            raise
        finally:
            self._deadlines.end(wire)
        if response.complete and response.reusable and sent_all:
            self._keep(wire, route, response.keep_alive_s)
        else:
            wire.close()

    @property
    def keeps_connection(self) -> bool:
        """See Transport."""
        return self._idle is not None

    def close(self) -> None:
        """See Transport."""
        self._connector.release()
        self._close_idle()

    def _close_idle(self) -> None:
        if self._idle is not None:
            self._idle.wire.close()
            self._idle = None

    async def _connect(self, target: Target, response: Response, deadline: float) -> Wire:
        def at_stage(stage: str) -> None:
            response.stage = stage

        at_stage("connecting")
        with trio.CancelScope(deadline=deadline):
            return await self._connector.open(target, at_stage)
        raise self._connector.too_late(response.stage) or DeadlinePassed

    def _route_to(self, url: str) -> _Route:
        if self._route is None or self._route.url != url:
            try:
                self._route = _Route(url, permitted_target(url, self._rules), request_start(url))
            except UrlNotAllowed as error:
                raise BlockedAddress(error.sentence) from None
        return self._route

    def _take_idle(self, route: _Route) -> Wire | None:
        idle, self._idle = self._idle, None
        if idle is None:
            return None
        if idle.route is route and trio.current_time() < idle.until and idle.wire.is_quiet():
            return idle.wire
        idle.wire.close()
        return None

    def _keep(self, wire: Wire, route: _Route, keep_alive_s: float | None) -> None:
        # A second less than the receiver says, so that no request crosses its close on the way.
        idle_s = self._idle_s if keep_alive_s is None else min(self._idle_s, keep_alive_s - 1)
        self._idle = _Idle(wire, route, trio.current_time() + idle_s)
