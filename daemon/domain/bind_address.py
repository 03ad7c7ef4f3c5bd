"""Where the API listens: `api.bind` of the settings, read in one way by the daemon and by its clients."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote

_EXPECTED = 'expected "host:port", "[IPv6 address]:port", "unix:/path" or "fd://number"'
_HOST = re.compile(
    r"(?=.{1,253}\Z)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*(?![0-9]+\.?\Z)[A-Za-z0-9_-]{1,63}\.?"
)
_PORT = re.compile(r"[0-9]{1,5}")
_DESCRIPTOR = re.compile(r"[0-9]{1,9}")
_MOST_PATH_BYTES = 107  # sockaddr_un, unix(7)


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host name or an address without brackets, and a port; port 0 is any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{_bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The absolute path of a unix socket."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class PassedSocket:
    """The descriptor of a socket that was opened before the daemon started."""

    descriptor: int

    def __str__(self) -> str:
        return f"fd://{self.descriptor}"


BindAddress = TcpAddress | UnixAddress | PassedSocket


def parse_bind(text: str) -> BindAddress:
    """Parse a bind address; `str` turns the result back into the same text. Raises ValueError."""
    if text.startswith("unix:"):
        return UnixAddress(_checked_path(text.removeprefix("unix:")))
    if text.startswith("fd://"):
        return PassedSocket(_number(_DESCRIPTOR, text.removeprefix("fd://")))
    host, _, port = text.rpartition(":")
    number = _number(_PORT, port)
    if number > 65_535:
        raise ValueError(f"{_EXPECTED}: a port is at most 65535")
    return TcpAddress(_checked_host(host), number)


def client_url(address: TcpAddress | UnixAddress) -> str:
    """Return the URL at which a local client reaches a daemon that listens there: loopback for a wildcard."""
    if isinstance(address, UnixAddress):
        return str(address)
    ip = _ip(address.host)
    host = address.host
    if ip is not None and ip.is_unspecified:
        host = "127.0.0.1" if ip.version == 4 else "::1"
    return f"http://{quote(_bracketed(host), safe='[]:')}:{address.port}"


def is_public(address: BindAddress) -> bool:
    """Whether other networks may reach it: a public address, or a wildcard, which may include one."""
    ip = _ip(address.host) if isinstance(address, TcpAddress) else None
    return ip is not None and (ip.is_unspecified or ip.is_global)


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        ip = ip_address(host)
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _number(shape: re.Pattern[str], text: str) -> int:
    if not shape.fullmatch(text):
        raise ValueError(_EXPECTED)
    return int(text)


def _checked_path(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f"{_EXPECTED}: a path begins with /")
    if len(path.encode("utf-8", "surrogateescape")) > _MOST_PATH_BYTES:
        raise ValueError(f"{_EXPECTED}: a socket's path has at most {_MOST_PATH_BYTES} bytes")
    return path


def _checked_host(host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        inner = host[1:-1]
        if ":" in inner and inner.isascii() and inner.isprintable() and _ip(inner) is not None:
            return inner
        raise ValueError(f"{_EXPECTED}: there is no IPv6 address in the brackets")
    if ":" in host:
        raise ValueError(f"{_EXPECTED}: an IPv6 address must be in brackets")
    if _ip(host) is None and not _HOST.fullmatch(host):
        raise ValueError(_EXPECTED)
    return host
