"""The resolver seam: names to addresses, without blocking the loop."""

import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

import trio

from daemon.egress.addresses import Address, parse_address

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""`await resolve(host, port)` gives the host's addresses in the order in which to try them. OSError if it has none."""


def system_resolver(max_lookups: int = 100) -> Resolve:
    """Return a resolver that asks the system (getaddrinfo), with at most `max_lookups` at a time.

    The limit is its own, so that names whose servers hang do not take the threads of the store. A cancelled lookup
    returns at once; its thread counts against the limit until the system gives up on the name.
    """
    limiter = trio.CapacityLimiter(max_lookups)

    async def resolve(host: str, port: int) -> Sequence[Address]:
        if (literal := parse_address(host)) is not None:
            return (literal,)
        return await trio.to_thread.run_sync(_look_up, host, port, abandon_on_cancel=True, limiter=limiter)

    return resolve


def _look_up(host: str, port: int) -> Sequence[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ip_address(sockaddr[0]) for *_, sockaddr in found))
