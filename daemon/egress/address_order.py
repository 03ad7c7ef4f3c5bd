"""The order in which to try a name's addresses: those that this machine has a route for come first, families in turn.

Implements what matters here of RFC 6724 (destination address selection): source addresses of the same scope, then IPv6;
and of RFC 8305, 4: after the first address comes one of the other family, so that a family that is down costs one try.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from ipaddress import IPv6Address, ip_address
from itertools import zip_longest

from daemon.egress.addresses import Address

_ANY_PORT = 9


def in_order(
    addresses: Sequence[Address], source_of: Callable[[Address], Address | None] | None = None
) -> tuple[Address, ...]:
    """Return the addresses in the order in which to try them; equal ones stay in the order the name server gave."""
    source_for = cache(source_of or source_address)
    distinct = dict.fromkeys(addresses)
    ranked = sorted(distinct, key=lambda address: _rank(address, source_for(address)))
    with_route = [address for address in ranked if source_for(address) is not None]
    return (*_families_in_turn(with_route), *(address for address in ranked if source_for(address) is None))


def source_address(address: Address) -> Address | None:
    """Return the address that a packet to `address` would leave from; None without a route. Sends nothing."""
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), _ANY_PORT))
            return ip_address(probe.getsockname()[0])
    except OSError:
        return None


def _families_in_turn(addresses: Sequence[Address]) -> Iterator[Address]:
    """Give them in their order, but alternate between the families while both are left."""
    by_family: dict[int, list[Address]] = {}
    for address in addresses:
        by_family.setdefault(address.version, []).append(address)
    for turn in zip_longest(*by_family.values()):
        yield from filter(None, turn)


def _rank(address: Address, source: Address | None) -> tuple[bool, bool, bool]:
    has_other_scope = source is not None and source.is_private != address.is_private
    return source is None, has_other_scope and address.version == 6, address.version == 4
