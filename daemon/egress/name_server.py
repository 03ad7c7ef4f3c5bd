"""The address of a name server, as settings and resolv.conf(5) write it."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class NameServer:
    """A recursive name server."""

    address: str
    port: int = DNS_PORT


def parse_name_server(text: str) -> NameServer:
    """Parse `address`, `address:port` or `[address]:port`. Raises ValueError."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(\d{1,5}))?|([^:]*):(\d{1,5})", text)
    address, port = (bracketed[1] or bracketed[3], bracketed[2] or bracketed[4]) if bracketed else (text, None)
    if not is_address(address) or not 0 < int(port or DNS_PORT) < 65536:
        raise ValueError(
            'expected an address, with a port if it is not 53, such as "192.0.2.53" or "[2001:db8::53]:5353"'
        )
    return NameServer(address, int(port or DNS_PORT))


def is_address(text: str) -> bool:
    """Whether the text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
