"""Whether a request comes from this machine, judged by verifiable facts only (contract "HTTP API").

A proxy on this machine also has a loopback address: it is recognised by the Host that it passes on, or the headers
that it adds. One that rewrites Host to the loopback address and adds nothing cannot be told from a local client.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from api.http.request import HttpRequest

_FORWARDED = re.compile(
    r"(?:x-)?forwarded.*|via|(?:x|cf|true|fastly|x-cluster)-(?:real|client|connecting)-?ip|x-envoy-.*|cf-.*",
    re.IGNORECASE,
)
_OF_BROWSERS = re.compile(r"sec-.*|origin|referer|cookie", re.IGNORECASE)
_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
_HTTP_PORT = 80


def is_on_loopback(request: HttpRequest) -> bool:
    """Whether it came in over the loopback interface or a unix socket, and does not say that it was forwarded."""
    server = request.scope.get("server")
    return not _has(request, _FORWARDED) and (server is None or is_loopback(server[0]))


def is_verified_local(request: HttpRequest) -> bool:
    """Whether, in addition, its peer is on this machine, its Host is ours, and no browser sent it.

    A page of another site whose name leads here (DNS rebinding) fails by its Host, as does a proxy that passes its own.
    """
    return is_on_loopback(request) and not _has(request, _OF_BROWSERS) and _is_peer_local(request) and _is_ours(request)


def is_loopback(host: str) -> bool:
    """Whether this is a literal address of the loopback interface."""
    address = literal_address(host)
    return address is not None and address.is_loopback


def literal_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that this is, without the scope after its `%`; an IPv4 address in IPv6 is one of IPv4.

    None if it is no literal address.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _has(request: HttpRequest, names: re.Pattern[str]) -> bool:
    return any(names.fullmatch(name) for name, _ in request.headers.items())


def _is_peer_local(request: HttpRequest) -> bool:
    client = request.scope.get("client")
    if request.scope.get("server") is None:
        return True  # the unix socket
    return client is not None and is_loopback(client[0])


def _is_ours(request: HttpRequest) -> bool:
    server = request.scope.get("server")
    host = _HOST.fullmatch(request.headers.get("Host", ""))
    if host is None:
        return False
    is_here = host["name"] == "localhost" or is_loopback(host["ipv6"] or host["name"])
    return is_here and (server is None or int(host["port"] or _HTTP_PORT) == server[1])
