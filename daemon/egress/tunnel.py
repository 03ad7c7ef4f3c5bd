"""Having a proxy open a tunnel: by CONNECT (RFC 9110, 9.3.6), or by SOCKS5 with or without a login (RFC 1928, 1929).

Nothing that a proxy says leads elsewhere: of an answer counts its status alone, and its size is bounded. Nobody may
send through the tunnel before we have: what comes with the proxy's answer would be read as the receiver's.
"""

import base64
import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from daemon.egress.addresses import Address
from daemon.egress.proxy import Proxy
from daemon.egress.wire import Wire

_MOST_HEAD_BYTES = 16 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})[ \r\n]")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
# The second is tinyproxy's for a wrong login.
_LOGIN_NEEDED = (407, 401)
_NO_LOGIN, _WITH_LOGIN = 0, 2
# RFC 1928, 6.
_REPLIES = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "no answer",
}


class ProxyFault(Exception):
    """The proxy itself is at fault, not the receiver. Its text is a clause for the user."""


class NotReached(Exception):
    """The proxy works, but does not connect to the receiver. Its text is a clause for the user."""


async def open_tunnel(
    wire: Wire, proxy: Proxy, *, host: str | Address, port: int, on_request: Callable[[], None] = lambda: None
) -> None:
    """Have the proxy behind `wire` connect to `host`, a name only where the proxy resolves.

    `on_request` is called when the proxy is asked to connect: from then on its silence is no fault of its own.
    Raises ProxyFault, NotReached, or OSError when the connection to the proxy breaks.
    """
    answer = _Answer(wire)
    if proxy.scheme == "http":
        on_request()
        await _connect(answer, proxy, host=host, port=port)
    else:
        await _log_in(answer, proxy)
        on_request()
        await _request(answer, host, port)
    if answer.rest:
        raise ProxyFault("the proxy sent more than its answer")


class _Answer:
    """What the proxy sends, piece by piece."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.rest = b""

    async def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._wire.send_now(view) :]
            except BlockingIOError:
                await self._wire.wait_writable()

    async def exactly(self, count: int) -> bytes:
        while len(self.rest) < count:
            await self._more()
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    async def head(self) -> bytes:
        searched = 0
        while (end := _END_OF_HEAD.search(self.rest, max(0, searched - 3))) is None:
            searched = len(self.rest)
            if searched > _MOST_HEAD_BYTES:
                raise ProxyFault("the proxy's answer has no end")
            await self._more()
        taken, self.rest = self.rest[: end.end()], self.rest[end.end() :]
        return taken

    async def _more(self) -> None:
        data = await self._wire.receive()
        if not data:
            raise ProxyFault("the proxy closed the connection")
        self.rest += data


async def _connect(answer: _Answer, proxy: Proxy, *, host: str | Address, port: int) -> None:
    place = f"[{host}]:{port}" if isinstance(host, IPv6Address) else f"{host}:{port}"
    login = ""
    if proxy.username:
        credentials = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
        login = f"Proxy-Authorization: Basic {credentials}\r\n"
    await answer.send(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{login}\r\n".encode())
    status = await _status(answer)
    if status in _LOGIN_NEEDED:
        raise ProxyFault(f"the proxy answered {status}: its login is missing or wrong")
    if not 200 <= status < 300:
        raise NotReached(f"the proxy answered {status}")


async def _status(answer: _Answer) -> int:
    """Return the first status that is not 1xx."""
    for _ in range(10):
        match = _STATUS.match(await answer.head())
        if match is None:
            break
        if (status := int(match[1])) >= 200:
            return status
    raise ProxyFault("the proxy's answer is not valid HTTP/1.1")


async def _log_in(answer: _Answer, proxy: Proxy) -> None:
    methods = (_NO_LOGIN, _WITH_LOGIN) if proxy.username else (_NO_LOGIN,)
    await answer.send(bytes((5, len(methods), *methods)))
    version, method = await answer.exactly(2)
    if version != 5:
        raise ProxyFault("the proxy does not speak SOCKS5")
    if method not in methods:
        raise ProxyFault("the proxy takes no login that we have: its user name and password are missing or wrong")
    if method == _WITH_LOGIN:
        username, password = proxy.username.encode(), proxy.password.encode()
        await answer.send(bytes((1, len(username))) + username + bytes((len(password),)) + password)
        if (await answer.exactly(2))[1] != 0:
            raise ProxyFault("the proxy refused the login: its user name or password is wrong")


async def _request(answer: _Answer, host: str | Address, port: int) -> None:
    await answer.send(b"\x05\x01\x00" + _place(host) + port.to_bytes(2, "big"))
    version, reply, _, kind = await answer.exactly(4)
    if version != 5:
        raise ProxyFault("the proxy does not speak SOCKS5")
    if reply != 0:
        raise NotReached(f"the proxy answered: {_REPLIES.get(reply, f'error {reply}')}")
    match kind:
        case 1:
            length = 4
        case 3:
            length = (await answer.exactly(1))[0]
        case 4:
            length = 16
        case _:
            raise ProxyFault("the proxy does not speak SOCKS5")
    await answer.exactly(length + 2)


def _place(host: str | Address) -> bytes:
    match host:
        case IPv4Address():
            return b"\x01" + host.packed
        case IPv6Address():
            return b"\x04" + host.packed
        case _:
            name = host.encode("ascii")
            return bytes((3, len(name))) + name
