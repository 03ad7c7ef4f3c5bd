"""From where a request came, for the audit trail."""

from ipaddress import IPv4Address, IPv6Address

from api.http.local import literal_address
from api.http.request import HttpRequest


def peer_address(request: HttpRequest) -> str | None:
    """Return the address of whoever sent a request, None if it is not known.

    A proxy on this machine is believed: it says so in the last part of `X-Forwarded-For`, which it adds itself.
    """
    client = request.scope.get("client")
    peer = None if client is None else literal_address(str(client[0]))
    if peer is None or peer.is_loopback:
        peer = _forwarded_for(request) or peer
    return None if peer is None else str(peer)


def _forwarded_for(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    return literal_address(",".join(request.headers.getlist("X-Forwarded-For")).rpartition(",")[2].strip())
