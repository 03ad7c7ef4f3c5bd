"""Which addresses may be reached: our own table of forbidden ranges, each with a name (contract "HTTP API", bad input).

The ranges are those of the IANA IPv4 and IPv6 Special-Purpose Address Registries that are not globally reachable,
the multicast ranges, and the cloud providers' metadata services. `ipaddress.is_global` is not safe: it differs between
Python versions, and is true for NAT64 forms of 127.0.0.1.
"""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a host may not be reached: `sentence` for the user, `detail` (which address) for the operator's log only."""

    sentence: str
    detail: str


# Narrower ranges come before wider ones: the first match decides.
_IPV4_VERDICTS = tuple(
    (IPv4Network(network), verdict)
    for network, verdict in (
        ("0.0.0.0/32", "unspecified"),
        ("0.0.0.0/8", "this_network"),
        ("10.0.0.0/8", "private"),
        ("100.100.100.200/32", "metadata"),
        ("100.64.0.0/10", "carrier_grade_nat"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "metadata"),
        ("169.254.169.254/32", "metadata"),
        ("169.254.170.0/24", "metadata"),
        ("169.254.0.0/16", "link_local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.192/32", "metadata"),
        ("192.0.0.0/24", "protocol_assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "deprecated_relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_IPV6_VERDICTS = tuple(
    (IPv6Network(network), verdict)
    for network, verdict in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "local_nat64"),
        ("100::/63", "discard"),
        ("2001::/32", "teredo"),
        ("2001:2::/48", "benchmarking"),
        ("2001::/23", "protocol_assignments"),
        ("2001:db8::/32", "documentation"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "segment_routing"),
        ("fd00:ec2::254/128", "metadata"),
        ("fd20:ce::254/128", "metadata"),
        ("fc00::/7", "unique_local"),
        ("fe80::/10", "link_local"),
        ("fec0::/10", "site_local"),
        ("ff00::/8", "multicast"),
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_IPV4_IN_LAST_32_BITS = (_MAPPED, IPv6Network("::/96"), _NAT64, IPv6Network("64:ff9b:1::/48"))
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
# IPv6 addresses that stand for an IPv4 address: they get its verdict.
_STAND_FOR_IPV4 = (_MAPPED, _NAT64)


def parse_address(host: str) -> Address | None:
    """Return the address if the host is one, or None if it is a name to resolve.

    Short, octal, hexadecimal and decimal forms of IPv4 (`127.1`, `0x7f000001`) count as addresses, as they do for the
    system's resolver.
    """
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def verdict_on(address: Address, allowed_networks: Iterable[Network] = ()) -> str | None:
    """Return None if the address may be reached, otherwise the name of the range that forbids it.

    An allowed network overrides the table, for the address itself and for an IPv4 address embedded in it. IPv6 outside
    2000::/3 is never public.
    """
    embedded = _embedded_ipv4(address) if isinstance(address, IPv6Address) else None
    allowed = tuple(allowed_networks)
    if _within(address, allowed) or (embedded is not None and _within(embedded, allowed)):
        return None
    if isinstance(address, IPv4Address):
        return _verdict(address, _IPV4_VERDICTS)
    return _verdict_ipv6(address, embedded)


def refusal(host: str, addresses: Sequence[Address], allowed_networks: Iterable[Network] = ()) -> Refusal | None:
    """Return None if every address of the host may be reached, otherwise why not, and what to do.

    One forbidden address is enough to refuse the name: a receiver cannot hide it behind a public one.
    """
    allowed = tuple(allowed_networks)
    for address in addresses:
        if (verdict := verdict_on(address, allowed)) is not None:
            is_address = parse_address(host) is not None
            subject = (
                f"{host} is not a public address" if is_address else f"{host} resolves to an address that is not public"
            )
            advice = "use a public receiver, or have the operator allow its network in egress.allow_networks"
            return Refusal(f"{subject} ({verdict.replace('_', ' ')}): {advice}", f"{host} is {address}")
    return None


def _verdict_ipv6(address: IPv6Address, embedded: IPv4Address | None) -> str | None:
    own = _verdict(address, _IPV6_VERDICTS)
    if own in ("unspecified", "loopback"):  # both are in ::/96: as IPv4 they would be 0.0.0.0 and 0.0.0.1
        return own
    if embedded is not None:
        verdict = _verdict(embedded, _IPV4_VERDICTS)
        if verdict is not None or _within(address, _STAND_FOR_IPV4):
            return verdict
    if own is None and address not in _GLOBAL_UNICAST:
        return "reserved"
    return own


def _embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    number = int(address)
    if _within(address, _IPV4_IN_LAST_32_BITS):
        return IPv4Address(number & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return IPv4Address(number >> 80 & 0xFFFFFFFF)
    if address in _TEREDO:  # RFC 4380, 4: the client's address is stored with every bit flipped
        return IPv4Address(number & 0xFFFFFFFF ^ 0xFFFFFFFF)
    return None


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _verdict(address: Address, table: Iterable[tuple[Network, str]]) -> str | None:
    return next((verdict for network, verdict in table if address in network), None)
