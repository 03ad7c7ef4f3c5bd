"""Proxies as settings and webhooks name them: `http://user@host:port` or `socks5://host:port`."""

from dataclasses import dataclass, field
from typing import Literal, cast
from urllib.parse import unquote

import httpx

from daemon.domain.errors import UrlNotAllowed
from daemon.domain.printable import is_harmless
from daemon.domain.proxy_login import MAX_LOGIN_BYTES
from daemon.egress.urls import checked_host

MAX_PROXY_URL_LENGTH = 512
_FORM = "use http://host:port or socks5://host:port, with a user name as http://user@host:port"

ProxyScheme = Literal["http", "socks5"]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that opens tunnels: by CONNECT (RFC 9110, 9.3.6) or SOCKS5 (RFC 1928), with a login if `username` is set.

    One that `resolves` is given the receiver's name, any other an address that was checked here. The operator's is for
    all webhooks, and its faults are not theirs.
    """

    scheme: ProxyScheme
    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    resolves: bool = False
    is_operators: bool = False


def parse_proxy(url: str) -> Proxy:
    """Return the proxy that a URL names; its password stands elsewhere. Raises ValueError with a sentence."""
    if len(url) > MAX_PROXY_URL_LENGTH:
        raise ValueError(f"the proxy's URL has {len(url)} characters: use at most {MAX_PROXY_URL_LENGTH}")
    if any(character.isspace() or not (character.isprintable() and is_harmless(character)) for character in url):
        raise ValueError("the proxy's URL contains a space or control character: percent-encode it")
    try:
        parsed = httpx.URL(url)
        host = checked_host(parsed.raw_host.decode("ascii"))
    except (httpx.InvalidURL, UrlNotAllowed):
        raise ValueError(f"the proxy's URL has no valid host or port: {_FORM}") from None
    if parsed.scheme not in ("http", "socks5"):
        raise ValueError(f"the proxy's URL has another scheme than http and socks5: {_FORM}")
    if parsed.raw_path not in (b"", b"/") or "?" in url or "#" in url:
        raise ValueError(f"the proxy's URL has something behind its port: {_FORM}")
    return Proxy(cast(ProxyScheme, parsed.scheme), host, _port_in(url), username=_username_in(parsed))


def _port_in(url: str) -> int:
    # httpx leaves out the usual port of http: a proxy's has to be named.
    authority = url.partition("//")[2].partition("/")[0].rpartition("@")[2]
    port = authority.rpartition("]")[2].rpartition(":")[2] if ":" in authority.rpartition("]")[2] else ""
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
        raise ValueError(f"the proxy's URL has no port from 1 to 65535: {_FORM}")
    return int(port)


def _username_in(parsed: httpx.URL) -> str:
    userinfo = parsed.userinfo.decode("ascii")
    if ":" in userinfo:
        raise ValueError("the proxy's URL has a password, which would be shown: give the password by itself")
    username = unquote(userinfo)
    if len(username.encode()) > MAX_LOGIN_BYTES or ":" in username or (username and not username.isprintable()):
        raise ValueError(f"the proxy's user name is over {MAX_LOGIN_BYTES} bytes or has a colon: use another one")
    return username
