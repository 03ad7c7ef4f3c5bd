"""The order in which to try a name's addresses: families that this machine has a route for come first.

Implements what matters here of RFC 6724 (destination address selection): source addresses of the same scope, then IPv6.
"""

import socket
from collections.abc import Callable, Sequence
from functools import cache
from ipaddress import IPv6Address, ip_address

from daemon.egress.addresses import Address

_ANY_PORT = 9


def in_order(
    addresses: Sequence[Address], source_of: Callable[[Address], Address | None] | None = None
) -> tuple[Address, ...]:
    """Return the addresses in the order in which to try them; equal ones stay in the order the name server gave."""
    source_for = cache(source_of or source_address)
    distinct = dict.fromkeys(addresses)
    return tuple(sorted(distinct, key=lambda address: _rank(address, source_for(address))))


def source_address(address: Address) -> Address | None:
    """Return the address that a packet to `address` would leave from; None without a route. Sends nothing."""
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), _ANY_PORT))
            return ip_address(probe.getsockname()[0])
    except OSError:
        return None


def _rank(address: Address, source: Address | None) -> tuple[bool, bool, bool]:
    has_other_scope = source is not None and source.is_private != address.is_private
    return source is None, has_other_scope and address.version == 6, address.version == 4
