"""Name resolution as the system does it, without blocking the loop: /etc/hosts, then the name servers.

Every lookup runs under its caller's cancel scope; a cancelled one leaves no socket and no thread behind.
"""

import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from pathlib import Path

import dns.exception
import dns.name
from dns.name import Name

from daemon.egress.address_order import in_order
from daemon.egress.addresses import Address, parse_address
from daemon.egress.dns_query import QueryFailed, ask
from daemon.egress.name_server import NameServer
from daemon.egress.resolver_files import (
    HOSTS,
    RESOLV_CONF,
    ResolverOptions,
    WatchedFile,
    parse_hosts,
    parse_resolv_conf,
)
from daemon.egress.special_names import is_localhost, is_not_in_dns

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""`await resolve(host, port)` returns the host's addresses in the order in which to try them. OSError if none."""

_LOOPBACK = (ip_address("127.0.0.1"), ip_address("::1"))


class Resolver:
    """Resolves single names, without a cache."""

    def __init__(
        self, servers: Sequence[NameServer] = (), *, hosts: Path = HOSTS, resolv_conf: Path = RESOLV_CONF
    ) -> None:
        """Use `servers`, if there are any, instead of those in `resolv_conf`."""
        self._servers = tuple(servers)
        self._hosts = WatchedFile(hosts, parse_hosts)
        self._options = WatchedFile(resolv_conf, parse_resolv_conf)

    async def resolve(self, host: str, port: int = 0) -> Sequence[Address]:
        """Return the host's addresses in the order in which to try them: see `Resolve`.

        Raises socket.gaierror: EAI_NONAME if there are none, EAI_AGAIN if no name server could say. Raises another
        OSError if this machine is out of sockets.
        """
        known = await self.known_addresses(host)
        return known if known is not None else await self.ask(host)

    async def known_addresses(self, host: str) -> Sequence[Address] | None:
        """Return the addresses of a host that needs no name server (an address, or a name in /etc/hosts), or None.

        Raises socket.gaierror for a name that must not be looked up in DNS.
        """
        if (literal := parse_address(host)) is not None:
            return (literal,)
        hosts = await self._hosts.read()
        if (listed := hosts.get(host.lower().removesuffix("."))) is not None:
            return listed
        if is_localhost(host):
            return _LOOPBACK
        if is_not_in_dns(host):
            raise _no_such_name()
        return None

    async def ask(self, host: str) -> Sequence[Address]:
        """Ask the name servers for a name. Raises as `resolve` does."""
        options = await self._options.read()
        for name in _names_to_ask(host, options):
            if addresses := await self._ask_for(name, options):
                return in_order(addresses)
        raise _no_such_name()

    async def _ask_for(self, name: Name, options: ResolverOptions) -> Sequence[Address]:
        servers = list(self._servers or options.servers)
        if options.rotate:
            random.shuffle(servers)
        for server in servers * options.attempts:
            try:
                return await ask(name, server, options.timeout, over_tcp=options.over_tcp)
            except QueryFailed:
                continue
        raise socket.gaierror(socket.EAI_AGAIN, "no name server gave an answer")


def _names_to_ask(host: str, options: ResolverOptions) -> list[Name]:
    """Return the name itself and, unless it ends with a dot, in each domain of the search list: resolv.conf(5)."""
    searched = [] if host.endswith(".") else [f"{host}.{domain}" for domain in options.search]
    enough_dots = host.count(".") >= options.ndots
    names = [host, *searched] if enough_dots else [*searched, host]
    return [name for text in names if (name := _parse(text)) is not None]


def _parse(text: str) -> Name | None:
    try:
        return dns.name.from_text(text)
    except (dns.exception.DNSException, ValueError):
        return None  # too long with this domain


def _no_such_name() -> socket.gaierror:
    return socket.gaierror(socket.EAI_NONAME, "the name does not exist or has no address")
