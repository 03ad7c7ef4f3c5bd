"""Origins as settings write them: of our own pages, and of those that may show the console in a frame."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_HIGHEST_PORT = 65535
_OWN_PORT = {"http": ":80", "https": ":443"}
# No user info, no path, no port beyond 65535: what browsers send as Host is compared with it.
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?/*",
    re.ASCII | re.IGNORECASE,
)


def public_origin(value: str) -> str:
    """Return the address of API and console as browsers write their origin. Raises ValueError."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("expected an http:// or https:// URL without a query")
    if parts.path.strip("/"):
        raise ValueError("expected a URL without a path: API and console are at the root of their host")
    origin = _as_browsers_write(value)
    if origin is None:
        raise ValueError(
            "expected an http:// or https:// URL of a host, with a port if need be, and nothing else: "
            "an international name in its ASCII form (xn--…)"
        )
    return origin


def framing_origin(value: str) -> str:
    """Return the origin of pages that may show the console in a frame, as browsers write it. Raises ValueError.

    It is https, or on this machine: a page that came over plain http may be anybody's.
    """
    origin = _as_browsers_write(value)
    if origin is None or not keeps_secrets(origin):
        raise ValueError('expected an origin such as "https://app.example.com", without a path and without "*"')
    return origin


def keeps_secrets(origin: str) -> bool:
    """Whether browsers trust this origin with a Secure cookie: by https, or since it is on their own machine."""
    parts = urlsplit(origin)
    return parts.scheme == "https" or _is_this_machine(parts.hostname or "")


def _as_browsers_write(value: str) -> str | None:
    """Return an origin in lower case, without the scheme's own port (RFC 6454, 6.1), None if it is none."""
    match = _ORIGIN.fullmatch(value)
    if match is None or int(match["port"] or 0) > _HIGHEST_PORT:
        return None
    return value.rstrip("/").lower().removesuffix(_OWN_PORT[match["scheme"].lower()])


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
