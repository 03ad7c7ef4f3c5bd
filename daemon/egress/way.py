"""The way out of one webhook, where it is not that of all others."""

from dataclasses import dataclass

from daemon.egress.client_tls import ClientTls
from daemon.egress.proxy import Proxy


@dataclass(frozen=True, slots=True)
class Way:
    """`ip_version` 4 or 6 is the only family of addresses to connect to; `proxy` stands before that of the settings;
    `tls` is what the connection has of its own.
    """

    ip_version: int | None = None
    proxy: Proxy | None = None
    tls: ClientTls | None = None


USUAL_WAY = Way()
