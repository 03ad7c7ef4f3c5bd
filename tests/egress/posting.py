"""What the tests of the way out share: rules for loopback, a resolver of the tests' own, a POST, descriptors."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

import trio

from daemon.egress.addresses import Address, parse_address
from daemon.egress.lookups import Lookups
from daemon.egress.post import make_post
from daemon.egress.resolver import Resolve
from daemon.egress.response import Response
from daemon.egress.transport import EndpointTransport
from daemon.egress.urls import EgressRules

LOOPBACK = EgressRules(allow_http=True, allow_networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")))


def resolving_to(*addresses: str) -> Resolve:
    """A resolver that gives these addresses for every name."""

    async def resolve(host: str, port: int) -> Sequence[Address]:
        await trio.lowlevel.checkpoint()
        return [ip_address(address) for address in addresses]

    return resolve


class NamesBy:
    """Names as a function of the test resolves them."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    async def known_addresses(self, host: str) -> Sequence[Address] | None:
        literal = parse_address(host)
        return None if literal is None else (literal,)

    async def ask(self, host: str) -> Sequence[Address]:
        return await self._resolve(host, 0)


def lookups_by(resolve: Resolve, places: int = 100) -> Lookups:
    """Places for lookups that this function makes."""
    return Lookups(NamesBy(resolve), places)


async def post(transport: EndpointTransport, url: str, body: bytes = b"{}", keep: int = 4096) -> tuple[int, bytes]:
    """POST the body; return the status and the first `keep` bytes of the response, at most 10 s later."""
    response = Response(keep)
    await transport.send(make_post(url, [], body), response, trio.current_time() + 10)
    assert response.status is not None
    return response.status, bytes(response.body)


def open_descriptors() -> int:
    """How many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
