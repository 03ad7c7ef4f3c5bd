"""Opens the connections of one webhook: a slot for the lookup, the checked addresses, the way to them, TLS."""

import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress

from daemon.domain.errors import UrlNotAllowed
from daemon.egress.addresses import Address, parse_address
from daemon.egress.client_tls import TlsContexts
from daemon.egress.connect import checked_addresses, connect_directly, resolved, start_tls
from daemon.egress.errors import (
    BlockedAddress,
    DnsError,
    NoLookupSlot,
    NotConnected,
    OutOfDescriptors,
    ProxyFailed,
    TlsError,
)
from daemon.egress.lookups import Lookup, Lookups
from daemon.egress.operator_proxy import OperatorProxy
from daemon.egress.proxied import AT_THE_PROXY, connect_through, proxy_failed
from daemon.egress.proxy import Proxy
from daemon.egress.racing import MoreSockets, NoMoreSockets
from daemon.egress.urls import EgressRules, Target, require_public_name
from daemon.egress.way import USUAL_WAY, Way
from daemon.egress.wire import Wire


class Connector:
    """Its webhook's `way` and where further sockets come from (`more`) may change between two connections."""

    def __init__(
        self,
        rules: EgressRules,
        lookups: Lookups,
        *,
        contexts: TlsContexts,
        operator_proxy: OperatorProxy | None,
        webhook_proxies: bool,
    ) -> None:
        self.way: Way = USUAL_WAY
        self.more: MoreSockets = NoMoreSockets()
        self._rules = rules
        self._lookups = lookups
        self._contexts = contexts
        self._context: ssl.SSLContext | None = None
        self._operator_proxy = operator_proxy
        self._webhook_proxies = webhook_proxies
        self._lookup: Lookup | None = None
        self._team_id = ""

    async def prepare(self, target: Target, team_id: str) -> None:
        """Wait for a proxy that works, and for the slot of the target's lookup, kept until `open` or `release`."""
        self.release()
        self._team_id = team_id
        if self.way.tls is not None and target.scheme == "https":
            with suppress(TlsError, OutOfDescriptors):  # `open` raises them
                self._context = await self._contexts.context_for(self.way.tls)
        proxy = self._proxy
        if proxy is not None and proxy.is_operators and self._operator_proxy is not None:
            await self._operator_proxy.wait()
        if proxy is None or not proxy.resolves:
            self._lookup = await self._lookups.admit(target.host, team_id)

    def release(self) -> None:
        """Give back the slot of a lookup that was not made."""
        self._context = None
        if self._lookup is not None:
            self._lookup.release()
            self._lookup = None

    async def open(self, target: Target, at_stage: Callable[[str], None]) -> Wire:
        """Connect to the target and, for https, verify its certificate for its name. `at_stage` is told how far it is.

        Runs under the caller's deadline. Raises EgressErrors.
        """
        if self.way.proxy is not None and not self._webhook_proxies:
            raise BlockedAddress("all deliveries go through the operator's proxy: remove the webhook's own")
        context = await self._context_for(target)
        if (proxy := self._proxy) is None:
            connected = await connect_directly(target, await self._addresses_of(target), self.more)
        else:
            is_for_proxy = proxy.resolves and parse_address(target.host) is None
            addresses = None if is_for_proxy else await self._addresses_of(target)
            connected = await self._through(proxy, target, addresses=addresses, at_stage=at_stage)
            at_stage("connecting")
        return Wire(connected) if context is None else await start_tls(connected, target, context, own=self.way.tls)

    async def _context_for(self, target: Target) -> ssl.SSLContext | None:
        prepared, self._context = self._context, None
        if prepared is not None or target.scheme == "http":
            return prepared
        return await self._contexts.context_for(self.way.tls)

    def too_late(self, stage: str) -> ProxyFailed | None:
        """Return whose fault it is that the deadline passed at this stage, None if it may be the receiver's."""
        if stage != AT_THE_PROXY or (proxy := self._proxy) is None:
            return None
        failed = proxy_failed(proxy, "the proxy cannot be reached (no answer)")
        self._note(proxy, failed)
        return failed

    @property
    def _proxy(self) -> Proxy | None:
        if self.way.proxy is not None:
            return self.way.proxy
        return None if self._operator_proxy is None else self._operator_proxy.proxy

    async def _addresses_of(self, target: Target) -> Sequence[Address]:
        lookup, self._lookup = self._lookup, None
        if lookup is None or lookup.host != target.host:
            if lookup is not None:
                lookup.release()
            lookup = await self._lookups.admit_now(target.host, self._team_id)
        if lookup is None:
            raise NoLookupSlot("the daemon has no free slot for a name lookup")
        try:
            return await checked_addresses(target, self._rules, lookup.resolve, ip_version=self.way.ip_version)
        finally:
            lookup.release()

    async def _through(
        self, proxy: Proxy, target: Target, *, addresses: Sequence[Address] | None, at_stage: Callable[[str], None]
    ) -> socket.socket:
        at_stage(AT_THE_PROXY)
        try:
            connected = await connect_through(
                proxy,
                target,
                addresses,
                proxy_addresses=await self._addresses_of_proxy(proxy),
                more=self.more,
                at_stage=at_stage,
            )
        except ProxyFailed as error:
            self._note(proxy, error)
            raise
        except NotConnected:
            self._note(proxy, None)
            raise
        self._note(proxy, None)
        return connected

    async def _addresses_of_proxy(self, proxy: Proxy) -> Sequence[Address]:
        """Return its addresses: checked like a receiver's, unless it is the operator's."""
        place = Target("https", proxy.host, proxy.port)
        lookup = await self._lookups.admit_now(proxy.host, "" if proxy.is_operators else self._team_id)
        if lookup is None:
            raise NoLookupSlot("the daemon has no free slot for a name lookup")
        try:
            if proxy.is_operators:
                return await resolved(place, lookup.resolve)
            require_public_name(proxy.host, self._rules)
            return await checked_addresses(place, self._rules, lookup.resolve)
        except DnsError as error:
            raise proxy_failed(proxy, "the proxy's name cannot be resolved", error.detail) from None
        except UrlNotAllowed as error:
            raise BlockedAddress(error.sentence) from None
        finally:
            lookup.release()

    def _note(self, proxy: Proxy, failed: ProxyFailed | None) -> None:
        if not proxy.is_operators or self._operator_proxy is None:
            return
        if failed is None:
            self._operator_proxy.works()
        else:
            self._operator_proxy.has_failed(str(failed))
