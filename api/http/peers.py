"""From where a request came, for the audit trail."""

from ipaddress import ip_address

from api.http.local import is_loopback
from api.http.request import HttpRequest


def peer_address(request: HttpRequest) -> str | None:
    """Return the address of whoever sent a request, None if it is not known.

    A proxy on this machine is believed: it says so in the last part of `X-Forwarded-For`, which it adds itself.
    """
    client = request.scope.get("client")
    peer = None if client is None else str(client[0])
    if peer is None or is_loopback(peer):
        return _forwarded_for(request) or peer
    return peer


def _forwarded_for(request: HttpRequest) -> str | None:
    last = ",".join(request.headers.getlist("X-Forwarded-For")).rpartition(",")[2].strip()
    try:
        return str(ip_address(last))
    except ValueError:
        return None
